"""The revisions of PostgreSQL's schema that this code knows, read without loading Alembic."""

from __future__ import annotations

import re
from pathlib import Path

VERSIONS = Path(__file__).parent / "migrations" / "postgres" / "versions"
_LINE = re.compile(r'^(down_)?revision(?:\s*:[^=]+)?\s*=\s*(?:"(\w+)"|None)', re.M)


def known() -> list[str]:
    """Oldest first."""
    after: dict[str, str] = {}
    for path in VERSIONS.glob("*.py"):
        found = {"down_" if m[1] else "": m[2] for m in _LINE.finditer(path.read_text())}
        if found.get(""):
            after[found.get("down_") or ""] = found[""]
    ordered: list[str] = []
    while (revision := after.get(ordered[-1] if ordered else "")) is not None:
        ordered.append(revision)
    return ordered
