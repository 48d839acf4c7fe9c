"""A line to a real server: what is confirmed, and what a server that hangs or goes costs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from netra.progress.line import Line
from tests.integration.valkey import Valkey

#: A server that hangs is away after two seconds; nobody may wait as long for it.
SOON_S = 1.0


@pytest.fixture
def line(valkey: Valkey) -> Iterator[Line[int]]:
    client = redis.Redis(port=valkey.port, socket_timeout=2)
    line: Line[int] = Line(client, "words")
    yield line
    line.close()
    client.close()


def until(done: Callable[[], bool], within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def say(line: Line[int], n: int) -> bool:
    return line.say([("RPUSH", "said", n), ("XADD", "stream", "*", "n", n)], n)


def test_what_is_said_is_confirmed_in_its_order(line: Line[int], valkey: Valkey) -> None:
    for n in range(100):
        assert say(line, n)
        assert line.say([("PUBLISH", "nobody", n)])
    assert line.confirmed(within_s=10) == list(range(100))
    assert line.unconfirmed == 0
    assert line.confirmed(within_s=0.1) == []
    assert valkey.client.lrange("said", 0, -1) == [b"%d" % n for n in range(100)]


def test_more_than_a_socket_takes_arrives_whole(line: Line[int], valkey: Valkey) -> None:
    text = "x" * 9_000_000
    assert line.say([("SET", "long", text)], 1)
    assert line.confirmed(within_s=30) == [1]
    assert valkey.client.strlen("long") == len(text)


def test_a_server_that_hangs_is_not_waited_for(line: Line[int], valkey: Valkey) -> None:
    assert say(line, 0)
    assert line.confirmed(within_s=10) == [0]
    valkey.hang()
    try:
        began = time.monotonic()
        n, longest = 1, 0.0
        while time.monotonic() < began + 4:
            before = time.monotonic()
            say(line, n)
            longest = max(longest, time.monotonic() - before)
            n += 1
            time.sleep(0.01)
        assert longest < SOON_S
        assert not say(line, n)
        # What it may have read is not confirmed, and never will be.
        assert line.confirmed() == []
        assert line.unconfirmed == 0
    finally:
        valkey.go_on()
    until(lambda: say(line, 1000))
    assert line.confirmed(within_s=10)[-1] == 1000


def test_a_server_that_hangs_from_the_beginning_is_not_waited_for(
    line: Line[int], valkey: Valkey
) -> None:
    valkey.hang()
    try:
        began = time.monotonic()
        assert not say(line, 0)
        assert not say(line, 1)
        assert time.monotonic() - began < SOON_S
    finally:
        valkey.go_on()
    until(lambda: say(line, 2))
    assert line.confirmed(within_s=10)[-1] == 2


def test_a_line_that_is_closed_while_it_opens_leaves_nothing_behind(
    line: Line[int], valkey: Valkey
) -> None:
    valkey.hang()
    try:
        assert not say(line, 0)
        line.close()
    finally:
        valkey.go_on()
    until(lambda: int(valkey.client.info("clients")["connected_clients"]) == 1)
    assert not say(line, 1)


def test_a_server_that_reads_nothing_is_told_only_so_much(
    line: Line[int], valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    assert say(line, 0)
    assert line.confirmed(within_s=10) == [0]
    valkey.hang()
    try:
        text = "x" * 4_000_000
        told = 0
        while line.say([("SET", "long", text)], told):
            told += 1
            assert told < 20
        assert told > 2
    finally:
        valkey.go_on()
    assert "bytes wait to be read" in caplog.text or "no answer for" in caplog.text


def test_a_server_that_comes_back_is_found_again(line: Line[int], valkey: Valkey) -> None:
    assert say(line, 0)
    assert line.confirmed(within_s=10) == [0]
    valkey.kill()
    until(lambda: not say(line, 1))
    assert line.confirmed() == []
    valkey.start()
    until(lambda: say(line, 2))
    assert line.confirmed(within_s=10) == [2]
    assert valkey.client.lrange("said", 0, -1) == [b"2"]


def test_a_word_that_is_refused_is_not_confirmed(
    line: Line[int], caplog: pytest.LogCaptureFixture
) -> None:
    assert say(line, 0)
    assert line.confirmed(within_s=10) == [0]
    line.say([("XADD", "said", "*", "a", "b")], 1)
    assert line.confirmed(within_s=10) == []
    assert "words wait for Redis: WRONGTYPE" in caplog.text
    assert not say(line, 2)


def test_threads_may_share_it(line: Line[int]) -> None:
    def talk(first: int) -> None:
        for n in range(first, first + 200):
            assert say(line, n)

    threads = [threading.Thread(target=talk, args=[i * 200]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line.confirmed(within_s=20)) == list(range(800))


def test_a_closed_line_is_silent(
    line: Line[int], valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    assert say(line, 0)
    line.close()
    with caplog.at_level(logging.WARNING):
        assert not say(line, 1)
    assert caplog.text == ""
    until(lambda: int(valkey.client.info("clients")["connected_clients"]) == 1)
