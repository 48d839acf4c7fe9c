from __future__ import annotations

from netra.client.sse import EventLines


def messages(text: str) -> list[str]:
    lines = EventLines()
    return [m for m in map(lines.feed, text.split("\n")) if m is not None]


def test_data_lines_up_to_a_blank_one_are_a_message() -> None:
    assert messages("id: 1-1\nevent: fact\ndata: {\ndata:  1}\n\ndata:x\n\n") == ["{\n 1}", "x"]


def test_comments_and_unfinished_messages_are_none() -> None:
    assert messages(": still here\n\n: and here\n\ndata: half") == []
