"""The parts of the agent that sizes a fleet."""
