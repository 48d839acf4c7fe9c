"""Merging loses nothing, keeps the order and stays within its bounds."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.ingest.merge import merged
from netra.ingest.trace import Piece


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), max_size=20), st.integers(1, 30))
def test_the_same_rows_in_larger_pieces(sizes: list[int], rows: int) -> None:
    pieces, first = [], 0
    for size in sizes:
        batch = pa.record_batch({"row": pa.array(range(first, first + size))})
        first += size
        pieces.append(Piece(batch=batch, end_byte=first * 10))
    found = list(merged(pieces, rows=rows))
    assert [r for p in found for r in p.batch["row"].to_pylist()] == list(range(first))
    assert all(p.end_byte == (p.batch["row"][-1].as_py() + 1) * 10 for p in found)
    assert all(p.batch.num_rows <= max(rows, *sizes) for p in found)
    for one, following in pairwise(found):
        assert one.batch.num_rows + following.batch.num_rows > rows


@pytest.mark.parametrize(("size", "pieces"), [(10**9, 1), (8, 4)])
def test_bytes_bound_a_piece_too(size: int, pieces: int) -> None:
    batch = pa.record_batch({"row": pa.array([1, 2])})
    assert len(list(merged([Piece(batch=batch, end_byte=1)] * 4, size=size))) == pieces
