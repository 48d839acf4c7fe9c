from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from netra.cli import connection, output
from netra.cli.main import main
from netra.client import Netra
from tests.unit.client.memory_api import QUICK, MemoryApi

#: Runs `netra` with arguments.
Run = Callable[..., Result]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> MemoryApi:
    """The memory twin, which every command finds by its environment."""
    twin = MemoryApi()

    def connect(url: str, api_key: str, **options: object) -> Netra:
        assert url == "http://api.test"
        return Netra(url, api_key, retry=QUICK, over=httpx.MockTransport(twin.handle))

    monkeypatch.setattr(connection, "Netra", connect)
    return twin


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in (
        ("NETRA_API_URL", "http://api.test"),
        ("NETRA_API_KEY", "key"),
        ("XDG_STATE_HOME", str(tmp_path / "state")),
        ("NETRA_EMBEDDED_HOME", str(tmp_path / "home")),
    ):
        monkeypatch.setenv(name, value)
    # Consoles keep the stream that they were made with, and each run has its own.
    output.stdout.cache_clear()
    output.stderr.cache_clear()
    yield partial(CliRunner().invoke, main)
    output.stdout.cache_clear()
    output.stderr.cache_clear()
