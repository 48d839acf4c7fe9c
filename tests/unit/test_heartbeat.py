from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netra.heartbeat import Heartbeat, beats, folder
from netra.settings import Health


def settings(path: Path) -> Health:
    return Health(folder=str(path / "beats"))


def ages_s(at: Health, name: str) -> dict[str, float]:
    return {beat.path.name: beat.age_s for beat in beats(folder(at), name)}


def test_a_beat_makes_the_file_young_again(tmp_path: Path) -> None:
    at = settings(tmp_path)
    heartbeat = Heartbeat(at, "scheduler")
    heartbeat.beat()
    old = time.time() - 100
    os.utime(heartbeat.path, (old, old))
    assert 99 < ages_s(at, "scheduler")["scheduler"] < 110
    heartbeat.beat()
    assert ages_s(at, "scheduler")["scheduler"] < 10


def test_a_kind_of_process_is_found_under_all_its_names(tmp_path: Path) -> None:
    at = settings(tmp_path)
    for name in ("worker-cpu", "worker-gpu", "scheduler", "workers"):
        Heartbeat(at, name).beat()
    assert set(ages_s(at, "worker")) == {"worker-cpu", "worker-gpu"}
    assert set(ages_s(at, "worker-gpu")) == {"worker-gpu"}


def test_nothing_has_beaten_where_there_is_no_folder(tmp_path: Path) -> None:
    assert ages_s(settings(tmp_path), "worker") == {}


def test_what_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "beats").write_text("a file, not a folder")
    Heartbeat(settings(tmp_path), "scheduler").beat()
    assert "no heartbeat" in caplog.text


def test_the_folder_is_this_users_own_unless_named() -> None:
    assert str(os.getuid()) in folder(Health()).name


def test_whose_file_it_is_can_be_told(tmp_path: Path) -> None:
    at = settings(tmp_path)
    Heartbeat(at, "scheduler").beat()
    (mine,) = beats(folder(at), "scheduler")
    assert (mine.pid, mine.ended) == (os.getpid(), False)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine.path.write_text(str(gone.pid))
    (left,) = beats(folder(at), "scheduler")
    assert (left.pid, left.ended) == (gone.pid, True)
    Heartbeat(at, "scheduler").beat()
    assert beats(folder(at), "scheduler")[0].pid == os.getpid(), "the next run writes its own"
    mine.path.write_text("")
    assert (beats(folder(at), "scheduler")[0].pid, mine.ended) == (None, False)
