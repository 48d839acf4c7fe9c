from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from netra.embedded import secrets
from netra.errors import NetraError


def test_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = secrets.ensure(path)
    assert secrets.ensure(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path], "no draft is left"


def test_every_home_has_its_own(tmp_path: Path) -> None:
    one = msgspec.structs.asdict(secrets.ensure(tmp_path / "one"))
    other = msgspec.structs.asdict(secrets.ensure(tmp_path / "other"))
    assert [name for name in one if one[name] == other[name]] == ["flower_user"]


def test_need_no_quoting() -> None:
    made = msgspec.structs.asdict(secrets.generate())
    assert made["api_key"].startswith("netra_")
    assert [v for v in made.values() if quote(v) != v] == []
    assert min(len(v) for k, v in made.items() if k != "flower_user") >= 32


@pytest.mark.parametrize("text", ["{", "[]", '{"postgres_password": "x"}'])
def test_a_broken_file_is_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text)
    with pytest.raises(NetraError, match=r"secrets\.json"):
        secrets.ensure(path)
    assert path.read_text() == text


def test_api_key_file_follows_the_secrets(tmp_path: Path) -> None:
    path = tmp_path / "api-key"
    path.write_text("an old key")
    made = secrets.generate()
    secrets.write_api_key(path, made)
    assert path.read_text() == made.api_key + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
