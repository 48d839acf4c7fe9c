"""Each proof says in one line what it has shown; the lines are printed together at the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.monitoring.running import observed

__all__ = ["PROOFS", "Proof", "observed"]

Proof = Callable[[str], None]
_LINES = pytest.StashKey[list[str]]()
#: Environment variable: a file that takes the lines, for whoever runs several pytests.
PROOFS = "DEPLOY_PROOFS"


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Proof:
    """Call it once a test has shown what it is for, with what was shown and the figures."""
    lines = request.config.stash.setdefault(_LINES, [])
    return lines.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(_LINES, [])
    if place := os.environ.get(PROOFS):
        Path(place).write_text("".join(f"{line}\n" for line in lines))
    elif lines:
        terminalreporter.section("proven")
        for line in lines:
            terminalreporter.write_line(line)
