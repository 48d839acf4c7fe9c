"""Parts of the agent `serving-fit`."""
