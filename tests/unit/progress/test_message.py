"""Positions and messages are read strictly: what comes over a wire may be anything."""

from __future__ import annotations

import pytest

from netra.progress.message import Position, read, read_all


def test_positions_sort_by_epoch_and_are_written_as_they_are_read() -> None:
    assert Position(1, 9) < Position(2, 1)
    assert Position.parse("2-17") == Position(2, 17)
    assert str(Position(2, 17)) == "2-17"


@pytest.mark.parametrize("text", ["", "1", "-", "1-", "-1", "a-1", "1-b", "1--2", "٣-1", "1-2-3"])
def test_what_is_no_position_is_none(text: str) -> None:
    assert Position.parse(text) is None


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"type":"fact"}', b'{"type":"other","job_id":"j"}', b"\xff"]
)
def test_what_is_no_message_is_none(raw: bytes) -> None:
    assert read(raw) is None


def test_a_message_keeps_the_text_that_is_sent_on() -> None:
    raw = b'{"type":"fact","job_id":"j","epoch":1,"seq":2,"kind":"k","stage":null,"raw":"x"}'
    message = read(raw)
    assert message is not None
    assert message.raw == raw
    assert message.position == (1, 2)


def test_what_comes_over_a_channel_is_a_message_a_line() -> None:
    lines = [b'{"type":"fact","job_id":"j","epoch":1,"seq":%d}' % seq for seq in (2, 3)]
    assert [m.seq for m in read_all(b"\n".join(lines))] == [2, 3]
    assert [m.raw for m in read_all(b"\n".join([lines[0], b"", b"{"]))] == [lines[0]]
