"""Dense ids of block hashes, against a dictionary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.analysis import block_ids
from netra.analysis.block_ids import BlockIds

KEYS = st.integers(0, 2**64 - 1) | st.integers(0, 5) | st.sampled_from([2**32, 2**63, 2**64 - 1])


def by_dictionary(keys: npt.NDArray[np.uint64]) -> list[int]:
    ids: dict[int, int] = {}
    return [ids.setdefault(key, len(ids)) for key in keys.tolist()]


# The first example loads or compiles the kernels, hence no deadline.
@settings(deadline=None)
@given(st.lists(st.lists(KEYS, max_size=40), max_size=6))
def test_ids_are_given_in_order_of_first_appearance(parts: list[list[int]]) -> None:
    ids = BlockIds()
    found = [ids.encode(np.array(part, np.uint64)) for part in parts]
    keys = np.array([key for part in parts for key in part], np.uint64)
    assert np.concatenate([np.empty(0, np.int32), *found]).tolist() == by_dictionary(keys)
    assert ids.keys.tolist() == list(dict.fromkeys(keys.tolist()))


@pytest.mark.parametrize("step", [1, 2**16, 2**32, 2**48, 0x9E3779B97F4A7C15])
def test_keys_of_any_pattern_survive_growth(step: int) -> None:
    distinct = 300_000
    keys = np.arange(distinct, dtype=np.uint64) * np.uint64(step)
    keys = np.unique(keys)
    order = np.random.default_rng(7).permutation(np.concatenate([keys, keys]))
    ids = BlockIds()
    assert ids.encode(order).tolist() == by_dictionary(order)
    assert len(ids) == len(keys)
    assert len(keys) <= ids.room


def test_too_many_blocks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_ids, "_MAX_IDS", 1 << 15)
    with pytest.raises(OverflowError, match="distinct blocks"):
        BlockIds().encode(np.arange(2**15 + 1, dtype=np.uint64))
