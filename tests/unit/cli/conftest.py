from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from netra import settings
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
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    for name, value in (
        ("NETRA_API_URL", "http://api.test"),
        ("NETRA_API_KEY", "key"),
        ("XDG_STATE_HOME", str(tmp_path / "state")),
        ("NETRA_EMBEDDED_HOME", str(tmp_path / "home")),
    ):
        monkeypatch.setenv(name, value)
    # Consoles keep the stream that they were made with, and settings the environment.
    kept = (output.stdout, output.stderr, settings.current)
    for cached in kept:
        cached.cache_clear()
    yield partial(CliRunner().invoke, main)
    for cached in kept:
        cached.cache_clear()
