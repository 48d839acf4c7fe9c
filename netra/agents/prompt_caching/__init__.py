"""The parts of the agent `prompt-cache` that choose how prompts are to be cached."""
