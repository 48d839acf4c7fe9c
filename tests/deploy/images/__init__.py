"""Runs a Dockerfile without an engine: its steps in Debian roots, its processes in namespaces."""
