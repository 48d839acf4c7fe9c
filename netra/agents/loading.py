"""Finds an agent's code by its catalog entry; only workers and `netra analyze` do so."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from netra.agents.base import Context, Inputs, StageResult
from netra.catalog.agent import AgentSpec

Agent = Callable[[Inputs, Any, Context], StageResult]


def load_agent(spec: AgentSpec) -> Agent:
    """The function that a catalog entry's `module:function` names."""
    module, _, function = spec.path.partition(":")
    return getattr(import_module(module), function)
