"""The commands of the pipelines, read out of their files."""
