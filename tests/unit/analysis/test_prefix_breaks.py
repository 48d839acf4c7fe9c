from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.analysis.block_ids import BlockIds
from netra.analysis.prefix_breaks import KINDS, PrefixBreaks, is_chained, prefix_breaks

OLD = list(range(20))


def columns(prompts: list[list[int]]) -> tuple[np.ndarray, np.ndarray, int]:
    encoder = BlockIds()
    ids = encoder.encode(np.array([b for p in prompts for b in p], np.uint64))
    offsets = np.append(0, np.cumsum([len(p) for p in prompts])).astype(np.int64)
    return ids, offsets, len(encoder)


def breaks(
    prompts: list[list[int]], streams: list[int] | None = None, wider: list[int] | None = None
) -> PrefixBreaks:
    n = len(prompts)
    return prefix_breaks(
        *columns(prompts),
        np.array(streams or [0] * n, np.int32),
        np.array(wider or [-1] * n, np.int32),
    )


def told(new: list[int], old: list[int] = OLD) -> tuple[str, int, int, int]:
    """Kind, position, blocks that come again, blocks changed."""
    found = breaks([old, new])
    return (
        KINDS[found.kind[1]],
        int(found.position[1]),
        int(found.again[1]),
        int(found.changed[1]),
    )


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ([*OLD, 20, 21], ("grown", 20, 0, 0)),
        ([*OLD[:19], 90, 91], ("grown", 19, 0, 0)),
        (OLD[:7], ("grown", 7, 0, 0)),
        ([*OLD[:2], 90, *OLD[3:], 20], ("changed", 2, 17, 1)),
        ([90, *OLD[1:]], ("changed", 0, 19, 1)),
        ([*OLD[:2], 90, 91, 92, *OLD[5:]], ("changed", 2, 15, 3)),
        ([*OLD[:3], 6, 4, 3, 5, *OLD[7:], 20], ("reordered", 3, 17, 4)),
        ([*OLD[:3], 90, 91, *OLD[3:]], ("inserted", 3, 17, 2)),
        ([*OLD[:3], *OLD[8:], 20, 21], ("removed", 3, 12, 5)),
        ([*OLD[:3], 90, 91, *OLD[8:]], ("mixed", 3, 12, 0)),
        ([*OLD[:3], *range(90, 107)], ("rewritten", 3, 0, 0)),
        ([*OLD[:3], *range(90, 95)], ("shortened", 3, 0, 0)),
        (list(range(90, 110)), ("unrelated", 0, 0, 0)),
    ],
)
def test_kinds(new: list[int], expected: tuple[str, int, int, int]) -> None:
    assert told(new) == expected


def test_a_stray_block_that_comes_again_is_no_way_of_its_own() -> None:
    assert told([*OLD[:3], *range(90, 100), 15, *range(100, 106)])[0] == "rewritten"


def test_a_prompt_is_compared_with_the_closest_of_the_last_few_of_its_stream() -> None:
    other = list(range(50, 60))
    found = breaks([OLD, other, [*OLD, 20], [*other, 60], [9]], streams=[0, 0, 0, 0, 1])
    assert [KINDS[k] for k in found.kind] == ["first", "unrelated", "grown", "grown", "first"]
    assert found.before.tolist() == [-1, 0, 0, 1, -1]


def test_first_prompts_of_sessions_are_compared_across_them() -> None:
    system = [1, 2, 3, 4, 5]
    sessions = [[90, *system, *range(100 * s, 100 * s + 40)] for s in range(1, 4)]
    for s, prompt in enumerate(sessions):
        prompt[0] = 90 + s
    found = breaks(sessions, streams=[0, 1, 2], wider=[0, 0, 0])
    assert [KINDS[k] for k in found.kind] == ["first", "changed", "changed"]
    assert found.again.tolist() == [0, 5, 5]
    nothing = breaks([[1, 2], [3, 4]], streams=[0, 1], wider=[0, 0])
    assert [KINDS[k] for k in nothing.kind] == ["first", "first"]
    assert nothing.before.tolist() == [-1, -1]


def test_hashes_that_cover_their_prefix_are_known() -> None:
    assert is_chained(*columns([[1, 2, 3], [1, 2, 4, 5], [1, 2, 4, 6]]))
    assert not is_chained(*columns([[1, 2, 3], [1, 9, 3]]))
    assert not is_chained(*columns([[1, 2], [2]]))
    assert is_chained(*columns([]))


def obvious(old: list[int], new: list[int]) -> tuple[int, int]:
    shared = 0
    while shared < min(len(old), len(new)) and old[shared] == new[shared]:
        shared += 1
    common = Counter(old[shared:]) & Counter(new[shared:])
    return shared, common.total()


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(0, 8), max_size=12), st.lists(st.integers(0, 8), max_size=12))
def test_positions_and_what_comes_again_as_the_obvious_way_says(
    old: list[int], new: list[int]
) -> None:
    found = breaks([old, new, old])
    shared, again = obvious(old, new)
    assert (int(found.position[1]), int(found.rest[1])) == (shared, len(new) - shared)
    shorter = min(len(old), len(new)) - shared
    assert int(found.again[1]) == (again if again >= 0.25 * shorter else 0)
    # The third prompt is the first again: the scratch space is clean.
    assert KINDS[found.kind[2]] == "grown"
    window = int(found.changed[1])
    if KINDS[found.kind[1]] == "reordered":
        a, b = old[shared : shared + window], new[shared : shared + window]
        assert a != b
        assert Counter(a) == Counter(b)
