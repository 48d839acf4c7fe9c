from __future__ import annotations

import stat
from pathlib import Path

import pytest

from netra.embedded import jsonfile
from netra.errors import NetraError


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    jsonfile.write(path, {"b": [1, None]}, mode=0o640)
    assert jsonfile.read(path) == {"b": [1, None]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert jsonfile.read(tmp_path / "none.json") == {}


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    jsonfile.write(path, {"old": True})
    with pytest.raises(TypeError):
        jsonfile.write(path, {"new": object()})
    assert jsonfile.read(path) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


def test_another_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("half a docu")
    with pytest.raises(NetraError, match=r"a\.json cannot be read"):
        jsonfile.read(path)
