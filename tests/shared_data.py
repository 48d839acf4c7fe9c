"""Where the real data lies that tests and benchmarks use; none of it is in the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_data_dir() -> Path:
    """`NETRA_SHARED_DATA`, else `../shared/data` beside the repository."""
    return Path(os.environ.get("NETRA_SHARED_DATA") or ROOT.parent / "shared" / "data")


def shared_data(name: str) -> Path:
    """The path of a shared file; skips the test, saying why, when it is not there."""
    path = shared_data_dir() / name
    if not path.exists():
        pytest.skip(f"needs {name} in NETRA_SHARED_DATA or ../shared/data")
    return path
