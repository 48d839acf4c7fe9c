"""Reads compose/*.yaml as Compose would."""
