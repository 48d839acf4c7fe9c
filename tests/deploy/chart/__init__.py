"""The chart, rendered by Helm, and what its output is held against."""
