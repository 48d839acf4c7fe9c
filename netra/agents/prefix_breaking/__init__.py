"""The parts of the agent `prefix-breakers`."""
