from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from netra.embedded import account, home
from netra.embedded.account import Account
from netra.errors import NetraError


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can reach, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="netra-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


NOBODY = Account(name="somebody", uid=54321, gid=54321)


def test_option_comes_before_setting_and_setting_before_default(tmp_path: Path) -> None:
    assert home.choose(tmp_path / "a", str(tmp_path / "b")).path == tmp_path / "a"
    assert home.choose(None, str(tmp_path / "b")).path == tmp_path / "b"
    assert home.choose(None, "").path == home.default_path()


def test_a_home_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert home.choose("here").path == tmp_path / "here"
    assert home.choose("~/there").path == tmp_path / "me" / "there"


@pytest.mark.parametrize(
    ("data", "expected"), [("/data", "/data/netra"), ("", "{home}/.local/share/netra")]
)
def test_default_of_a_user_follows_xdg(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: str, expected: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", data)
    assert str(home.default_path()) == expected.format(home=tmp_path)


def test_default_ignores_a_relative_xdg_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert home.default_path() == tmp_path / ".local/share/netra"


def test_default_of_root_is_a_folder_postgres_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert home.default_path() == Path("/var/lib/netra")


def test_prepared_folders_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "unprivileged", lambda: None)
    made = home.Home(tmp_path / "deep" / "home")
    assert home.prepare(made) is None
    for folder in (made.logs, made.valkey, made.clickhouse, made.postgres, made.cache):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o711


def test_preparing_changes_no_folder_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "unprivileged", lambda: None)
    outer = tmp_path / "outer"
    outer.mkdir(mode=0o750)
    before = outer.stat().st_mode
    existing = outer / "home"
    existing.mkdir(mode=0o755)
    home.prepare(home.Home(existing))
    assert outer.stat().st_mode == before
    assert stat.S_IMODE(existing.stat().st_mode) == 0o755


def test_a_home_below_a_file_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "unprivileged", lambda: None)
    (tmp_path / "file").write_text("")
    with pytest.raises(NetraError, match=r"file.*--home"):
        home.prepare(home.Home(tmp_path / "file" / "home"))


def test_barrier_names_the_first_closed_folder(open_folder: Path) -> None:
    closed = open_folder / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    assert account.barrier(closed / "inner", NOBODY) == closed
    closed.chmod(0o711)
    (closed / "inner").chmod(0o755)
    assert account.barrier(closed / "inner", NOBODY) is None


def test_barrier_asks_for_the_right_bit(tmp_path: Path) -> None:
    folder = tmp_path / "group"
    folder.mkdir()
    folder.chmod(0o710)
    entry = folder.stat()
    owner = Account(name="owner", uid=entry.st_uid, gid=54321)
    member = Account(name="member", uid=54321, gid=entry.st_gid)
    assert account._may_enter(entry, owner)
    assert account._may_enter(entry, member)
    assert not account._may_enter(entry, NOBODY)
    folder.chmod(0o701)
    assert not account._may_enter(folder.stat(), member), "the group's bit counts for its members"


def test_only_root_changes_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account.unprivileged() is None


def test_root_without_an_account_to_lend_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "CANDIDATES", ("no-such-account", "root"))
    with pytest.raises(NetraError, match="no-such-account, root"):
        account.unprivileged()
