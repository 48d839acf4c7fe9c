"""What is said to Redis in its own protocol, and how its answers are counted."""

from __future__ import annotations

import pytest
from redis.connection import Connection
from redis.exceptions import ResponseError

from netra.progress.line import Answers, packed

#: Answers to XADD, EXPIRE, PUBLISH, and to what sets an option.
ANSWERS = b"$15\r\n1764115200000-0\r\n:1\r\n:0\r\n+OK\r\n$-1\r\n"


def test_commands_are_packed_as_the_client_packs_them() -> None:
    commands = [
        ("XADD", "a:ü", "MAXLEN", "~", 1000, "*", "fact", b'{"a": "\xc3\xbc"}\r\n'),
        ("PING",),
    ]
    assert packed(commands) == b"".join(Connection().pack_commands(commands))


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(ANSWERS)])
def test_answers_are_counted_however_they_are_cut(size: int) -> None:
    answers = Answers()
    pieces = [ANSWERS[i : i + size] for i in range(0, len(ANSWERS), size)]
    assert sum(map(answers.count, pieces)) == 5
    assert answers.count(b":1\r\n") == 1


def test_a_string_that_looks_like_a_refusal_is_none() -> None:
    assert Answers().count(b"$4\r\n-ERR\r\n:1\r\n") == 2


def test_a_refusal_is_raised_with_what_the_server_said() -> None:
    with pytest.raises(ResponseError, match="OOM command not allowed"):
        Answers().count(b":1\r\n-OOM command not allowed\r\n")
