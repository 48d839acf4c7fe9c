"""Netra optimizes an organisation's LLM workloads from the record of their traffic."""

__version__ = "0.1.0"
