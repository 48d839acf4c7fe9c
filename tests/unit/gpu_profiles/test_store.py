"""Arrays on disk: whole, of the right key, or computed anew; several writers at once."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from netra.gpu_profiles.store import Arrays, Store

KEY = {"model": "small", "package": "1.0"}


def test_what_is_there_is_not_computed_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> Arrays:
        calls.append(1)
        return {"a": np.arange(3.0)}

    first = Store(tmp_path).get(KEY, compute)
    second = Store(tmp_path).get(KEY, compute)
    other = Store(tmp_path).get(KEY | {"package": "1.1"}, compute)
    assert len(calls) == 2
    for found in (first, second, other):
        assert found["a"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("broken", [b"", b"no archive", None])
def test_a_broken_file_is_computed_anew(tmp_path: Path, broken: bytes | None) -> None:
    Store(tmp_path).get(KEY, lambda: {"a": np.arange(1000.0)})
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if broken is None else broken)
    found = Store(tmp_path).get(KEY, lambda: {"a": np.ones(2)})
    assert found["a"].tolist() == [1.0, 1.0]
    again = Store(tmp_path).get(KEY, lambda: pytest.fail("was written whole"))
    assert again["a"].tolist() == [1.0, 1.0]


def test_a_file_of_another_key_is_not_taken(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get(KEY, lambda: {"a": np.zeros(1)})
    (path,) = tmp_path.iterdir()
    other = KEY | {"model": "large"}
    store.get(other, lambda: {"a": np.ones(1)})
    (new,) = [p for p in tmp_path.iterdir() if p != path]
    os.replace(path, new)
    assert store.get(other, lambda: {"a": np.full(1, 2.0)})["a"].tolist() == [2.0]


def test_a_failed_computation_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> Arrays:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        Store(tmp_path).get(KEY, fails)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_costs_time_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    found = Store(blocked / "below").get(KEY, lambda: {"a": np.ones(1)})
    assert found["a"].tolist() == [1.0]
    assert "are not kept" in caplog.text


def _writes(folder: str, value: float) -> None:
    for turn in range(8):
        found = Store(Path(folder)).get(
            {"turn": turn}, lambda: {"a": np.full(50_000, value), "b": np.full(50_000, value)}
        )
        assert len({*found["a"].tolist(), *found["b"].tolist()}) == 1


def test_writers_at_once_leave_whole_files(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_writes, args=(str(tmp_path), float(i))) for i in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(list(tmp_path.glob("*.npz"))) == 8
    assert list(tmp_path.glob("*.part")) == []
