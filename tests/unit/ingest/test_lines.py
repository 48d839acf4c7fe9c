"""Blocks of lines: nothing lost, nothing split, numbered right."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from netra.ingest.lines import blocks, last_line_end, last_record_end


@settings(deadline=None)
@given(
    lines=st.lists(st.text("ab\u00e9 ,", max_size=12), max_size=30),
    block_bytes=st.integers(16, 64),
    end=st.booleans(),
)
def test_lines_come_back_whole_and_numbered(
    tmp_path_factory, lines: list[str], block_bytes: int, end: bool
) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / "lines.txt"
    content = "\n".join(lines).encode() + b"\n" * end
    path.write_bytes(content)
    found = list(blocks(path, "lines.txt", 64, block_bytes=block_bytes))
    assert b"".join(b.data for b in found) == content
    line, done = 1, 0
    for block in found:
        done += len(block.data)
        assert (block.first_line, block.end_byte) == (line, done)
        line += block.data.count(b"\n")
    assert all(b.data.endswith(b"\n") for b in found[:-1])


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", ",", '"', "\n", '""']), max_size=40).map("".join))
def test_a_record_ends_at_a_line_feed_outside_quotes(text: str) -> None:
    data = text.encode()
    inside, expected = False, 0
    for i, char in enumerate(text):
        inside ^= char == '"'
        if char == "\n" and not inside:
            expected = i + 1
    assert last_record_end(data) == expected


def test_the_end_of_the_last_line() -> None:
    assert last_line_end(b"a\nb\nc") == 4
    assert last_line_end(b"abc") == 0
