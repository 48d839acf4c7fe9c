"""Benchmarks are run by hand: what they import and no longer stands would be found late."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import benchmarks

ROOT = Path(benchmarks.__path__[0])
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in ROOT.rglob("*.py")
    # Peers run in an environment of their own.
    if not path.name.startswith(("__", "peer_"))
)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_benchmarks_loads(module: str) -> None:
    importlib.import_module(module)
