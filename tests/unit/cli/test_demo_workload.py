from __future__ import annotations

from pathlib import Path

import pytest

from netra.cli import demo_workload
from netra.cli.demo_workload import REAL, Source, bring_in, choose
from netra.errors import Conflict
from tests.unit.client.memory_api import MemoryApi, problem


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "traffic.csv"
    path.write_text("a\nb\n")
    return Source(path, "traffic", "two rows")


def quiet(said: str) -> None:
    """Nobody waits."""


def test_real_traffic_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / REAL).write_bytes(b"")
    monkeypatch.setenv("NETRA_SHARED_DATA", str(tmp_path))
    chosen = choose(tmp_path / "home")
    assert chosen.path == tmp_path / REAL
    assert "real" in chosen.said


def test_else_traffic_is_made_once_and_said_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRA_SHARED_DATA", str(tmp_path))
    monkeypatch.setattr(demo_workload, "_GENERATED_EVENTS", 200)
    chosen = choose(tmp_path / "home")
    assert "GENERATED" in chosen.said
    made = chosen.path.stat().st_mtime_ns
    assert choose(tmp_path / "home").path.stat().st_mtime_ns == made
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["generated-200.parquet"]


def test_a_second_run_brings_nothing_new(source: Source) -> None:
    api = MemoryApi()
    with api.blocking() as netra:
        first = bring_in(netra, source, quiet)
        again = bring_in(netra, source, quiet)
    assert first.ingest is not None
    assert again.ingest is not None
    assert (first.ingest.events, again.ingest.events) == (2, 0)
    assert first.workload.id == again.workload.id


def test_an_interrupted_ingest_is_waited_for(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = MemoryApi()
    busy = problem(409, "conflict", "an ingest is running")
    said: list[str] = []
    monkeypatch.setattr(demo_workload, "_LOOK_S", 0.001)
    with api.blocking() as netra:
        api.fail_next = [busy, busy]
        assert bring_in(netra, source, said.append).workload.name == "traffic"
        assert said == ["an ingest is running"] * 2
        monkeypatch.setattr(demo_workload, "_PATIENCE_S", 0.0)
        api.fail_next = [busy, busy]
        with pytest.raises(Conflict):
            bring_in(netra, source, quiet)
