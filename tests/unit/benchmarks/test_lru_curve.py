"""The replay that the LRU curve is measured against has to be a right one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lru_curve import generated, replay_one_capacity
from netra.analysis.lru_curve import lru_curve
from tests.unit.analysis.test_lru_curve import replayed_hits


# The first example loads or compiles the kernels, hence no deadline.
@settings(deadline=None)
@given(st.lists(st.integers(0, 15) | st.integers(2**64 - 3, 2**64 - 1)), st.integers(1, 12))
def test_it_hits_what_the_obvious_replay_hits(blocks: list[int], capacity: int) -> None:
    given = np.array(blocks, np.uint64)
    assert replay_one_capacity(given, capacity) == replayed_hits(blocks, capacity)


@pytest.mark.parametrize("capacity", [1, 7, 500, 10**6])
def test_on_generated_sessions_it_agrees_with_the_curve(capacity: int) -> None:
    blocks = generated(sessions=5, seed=2)
    curve = lru_curve(blocks)
    assert replay_one_capacity(blocks, capacity) == curve.hits[min(capacity, curve.distinct)]
