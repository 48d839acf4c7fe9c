from __future__ import annotations

import os
from pathlib import Path

import pytest

from netra.embedded import lock


def test_held_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert lock.holder(path) is None
    with lock.held(path):
        assert lock.holder(path) == os.getpid()
        with pytest.raises(lock.AlreadyRunning, match=str(os.getpid())), lock.held(path):
            pytest.fail("held twice")
        assert lock.holder(path) == os.getpid(), "the refused one changed nothing"
    assert lock.holder(path) is None
    with lock.held(path):
        assert lock.holder(path) == os.getpid()


def test_what_a_dead_holder_wrote_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("1\n")
    assert lock.holder(path) is None
