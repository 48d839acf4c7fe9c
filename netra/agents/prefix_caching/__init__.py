"""The parts of the agent `caching`."""
