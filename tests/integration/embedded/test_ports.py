from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netra.embedded import ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def free() -> int:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        return server.getsockname()[1]


def test_a_port_is_free_or_open(taken: int) -> None:
    assert not ports.is_free(taken)
    assert ports.is_open(taken)
    other = free()
    assert ports.is_free(other)
    assert not ports.is_open(other)


def test_the_wanted_port_when_it_is_free(tmp_path: Path, taken: int) -> None:
    wanted = free()
    chosen = ports.choose(tmp_path / "a", {"api": wanted, "flower": taken, "other": 0})
    assert chosen["api"] == wanted
    assert chosen["flower"] != taken
    assert len(set(chosen.values())) == 3


def test_kept_from_one_start_to_the_next(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "a", {"api": 0, "flower": 0})
    # What was used is kept even when another one is wanted now: bookmarks go on working.
    assert ports.choose(tmp_path / "a", {"api": free(), "flower": 0}) == first


def test_a_kept_port_that_is_taken_now_is_given_up(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "a", {"api": 0})
    with socket.create_server((ports.LOOPBACK, first["api"])):
        second = ports.choose(tmp_path / "a", {"api": 0})
    assert second != first
    assert ports.choose(tmp_path / "a", {"api": 0}) == second
