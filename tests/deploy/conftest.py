"""Each proof says in one line what it has shown; the lines are printed together at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.deploy.monitoring.running import observed

__all__ = ["observed"]

Proof = Callable[[str], None]
_LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Proof:
    """Call it once a test has shown what it is for, with what was shown and the figures."""
    lines = request.config.stash.setdefault(_LINES, [])
    return lines.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(_LINES, [])
    if lines:
        terminalreporter.section("proven")
        for line in lines:
            terminalreporter.write_line(line)
