"""Backups of the three stores, restoring them to a point in time, and proof that they can be."""
