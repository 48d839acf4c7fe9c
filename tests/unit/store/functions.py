"""The functions of the queue: what the page says of them, and what the migrations make."""

from __future__ import annotations

import re

from tests.shared_data import ROOT

MIGRATIONS = ROOT / "netra/store/migrations/postgres/versions"
PAGE = ROOT / "docs/queue-protocol.md"

_ROW = re.compile(r"^\| `(netra_\w+)` \| `([\w.]+)` \|", re.MULTILINE)
_MADE = re.compile(r"^CREATE (?:OR REPLACE )?FUNCTION ", re.MULTILINE)
_BODY = re.compile(r"AS \$\$(.*?)\$\$", re.DOTALL)


def named() -> list[tuple[str, str]]:
    """Each function in the tables of the page, and the file that is named for it."""
    return _ROW.findall(PAGE.read_text())


def made() -> dict[str, str]:
    """The last migration that makes each function."""
    files: dict[str, str] = {}
    for script in sorted(MIGRATIONS.glob("*.sql")):
        for text in _MADE.split(script.read_text())[1:]:
            files[text.partition("(")[0]] = script.name
    return files


def bodies(function: str, script: str) -> list[str]:
    """The texts that a migration gives a function: one for each list of arguments."""
    found: list[str] = []
    for text in _MADE.split((MIGRATIONS / script).read_text())[1:]:
        body = _BODY.search(text)
        if text.startswith(f"{function}(") and body is not None:
            found.append(body[1])
    return found
