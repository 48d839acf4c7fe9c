"""The lists of packages that the images install, beside the one of the project."""

from __future__ import annotations

import re
from pathlib import Path

from tests.deploy.tools import ROOT

FOLDER = ROOT / "compose" / "requirements"
WHOLE = ROOT / "requirements.lock"
_PINNED = re.compile(r"^([a-z0-9.-]+)==([^ ;\\]+)", re.MULTILINE)


def pinned(lock: Path) -> dict[str, set[str]]:
    """Versions by package; more than one where the platform or Python decides."""
    found: dict[str, set[str]] = {}
    for name, version in _PINNED.findall(lock.read_text()):
        found.setdefault(name, set()).add(version)
    return found


def excluded(image: str) -> set[str]:
    lines = (FOLDER / f"{image}.exclude").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}
