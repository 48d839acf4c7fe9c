"""Prompt caches with a lifetime, against one cache per lifetime replayed block by block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.analysis import ttl_cache
from netra.analysis.ttl_cache import NEVER, TtlCache, hit_tokens

#: Time, group and blocks of a request.
Request = tuple[int, int, list[int]]

REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 50),
        st.integers(0, 2),
        st.lists(st.integers(0, 6) | st.integers(2**64 - 2, 2**64 - 1), max_size=8),
    ),
    max_size=25,
)


def replayed(requests: list[Request], lifetime: int) -> list[int]:
    """The obvious way: when did each group use each block last?"""
    used: dict[tuple[int, int], int] = {}
    alive = []
    for time, group, blocks in requests:
        hits = 0
        while hits < len(blocks) and (group, blocks[hits]) in used:
            if time > used[group, blocks[hits]] + lifetime:
                break
            hits += 1
        alive.append(hits)
        used |= {(group, block): time for block in blocks}
    return alive


def extend(cache: TtlCache, requests: list[Request]) -> list[list[int]]:
    blocks = [b for _, _, of_request in requests for b in of_request]
    lengths = [len(of_request) for _, _, of_request in requests]
    return cache.extend(
        np.array([t for t, _, _ in requests], np.int64),
        np.array([g for _, g, _ in requests], np.int32),
        np.array(blocks, np.uint64),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
    ).tolist()


# The first example of a test loads or compiles the kernels, hence no deadlines.
@settings(deadline=None)
@given(REQUESTS, st.sets(st.integers(0, 40), max_size=4))
def test_each_lifetime_hits_what_its_own_replay_hits(
    requests: list[Request], lifetimes: set[int]
) -> None:
    ordered = [*sorted(lifetimes), NEVER]
    requests = sorted(requests, key=lambda r: r[0])
    expected = [replayed(requests, lifetime) for lifetime in ordered]
    assert extend(TtlCache(ordered), requests) == expected


@settings(deadline=None)
@given(REQUESTS, st.integers(0, 25), st.integers(1, 12))
def test_parts_and_chunks_change_nothing(requests: list[Request], cut: int, chunk: int) -> None:
    requests = sorted(requests, key=lambda r: r[0])
    cache = TtlCache([10, NEVER])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ttl_cache, "_CHUNK", chunk)
        parts = [extend(cache, requests[:cut]), extend(cache, requests[cut:])]
    whole = [first + second for first, second in zip(*parts, strict=True)]
    assert whole == [replayed(requests, 10), replayed(requests, NEVER)]


def test_a_block_is_alive_up_to_its_lifetime_and_not_beyond() -> None:
    cache = TtlCache([300, 3600])
    found = extend(cache, [(0, 0, [1, 2]), (300, 0, [1, 2]), (601, 0, [1, 2]), (4202, 0, [1])])
    assert found == [[0, 2, 0, 0], [0, 2, 2, 0]]


def test_many_blocks_make_the_memory_of_last_uses_grow() -> None:
    blocks = list(range(100_000))
    found = extend(TtlCache([1]), [(0, 0, blocks), (1, 0, blocks), (1, 1, blocks)])
    assert found == [[0, 100_000, 0]]


def test_no_requests_make_no_answer() -> None:
    assert extend(TtlCache([1, 2]), []) == [[], []]


@pytest.mark.parametrize("lifetimes", [[], [-1], [2, 1], [1, 1]])
def test_lifetimes_that_do_not_ascend_are_refused(lifetimes: list[int]) -> None:
    with pytest.raises(ValueError, match="lifetimes"):
        TtlCache(lifetimes)


def test_hits_are_at_most_the_input() -> None:
    alive = np.array([[0, 2, 3], [1, 3, 3]], np.int32)
    tokens = hit_tokens(alive, np.array([64.0, 64, 64]), np.array([200.0, 130, 200]))
    assert tokens.tolist() == [[0, 128, 192], [64, 130, 192]]
