"""What is said to Redis in its own protocol, and how its answers are counted and read."""

from __future__ import annotations

import pytest
from redis.connection import Connection

from netra.progress.resp import Answers, Refusal, Replies, packed

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
    with pytest.raises(Refusal, match="OOM command not allowed"):
        Answers().count(b":1\r\n-OOM command not allowed\r\n")


#: What a listener hears: a subscription, two messages, what a ping is answered with, and others.
HEARD = (
    b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
    b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$8\r\n*1\r\n$1\r\n\r\n"
    b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n"
    b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
    b"+PONG\r\n:-7\r\n*0\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, len(HEARD)])
def test_answers_are_read_whole_however_they_are_cut(size: int) -> None:
    replies = Replies()
    pieces = [HEARD[i : i + size] for i in range(0, len(HEARD), size)]
    assert [answer for piece in pieces for answer in replies.feed(piece)] == [
        [b"subscribe", b"a", 1],
        [b"message", b"a", b"*1\r\n$1\r\n"],
        [b"message", b"a", b""],
        [b"pong", b""],
        [b"unsubscribe", None, 0],
        b"PONG",
        -7,
        [],
    ]
    assert replies.feed(b"") == []


def test_a_refusal_among_answers_is_one_of_them() -> None:
    ok, refusal = Replies().feed(b"+OK\r\n-NOAUTH Authentication required.\r\n")
    assert ok == b"OK"
    assert isinstance(refusal, Refusal)
    assert str(refusal) == "NOAUTH Authentication required."


@pytest.mark.parametrize("read", [b"HTTP/1.1 400 Bad Request\r\n", b"*x\r\n", b"$x\r\n"])
def test_what_is_no_answer_is_refused(read: bytes) -> None:
    with pytest.raises(Refusal, match=r"no RESP2|no answer of RESP2"):
        Replies().feed(read)
