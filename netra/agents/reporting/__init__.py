"""The parts of the report agent."""
