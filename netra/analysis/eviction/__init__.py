"""Caches of one capacity under several eviction policies, one policy a file."""
