"""Caches whose requests decide what they write, in segments, against blocks one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.analysis.block_ids import BlockIds
from netra.analysis.cache_writes import replay_writes
from netra.analysis.prompt_segments import Segments, prompt_segments, within_caches
from netra.analysis.ttl_cache import TtlCache

LIFETIMES = np.array([0, 5, 60], np.int64)

#: (cache, seconds since the request before, action, prompt): conversations that grow, fork and
#: take each other's blocks.
REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 40),
        st.integers(0, 2),
        st.tuples(st.integers(0, 6), st.integers(0, 9)).map(lambda p: list(range(p[0], sum(p))))
        | st.lists(st.integers(0, 9), max_size=6),
    ),
    max_size=30,
)
Requests = list[tuple[int, int, int, list[int]]]


def columns(requests: Requests) -> tuple[np.ndarray, ...]:
    times = np.cumsum([gap for _, gap, _, _ in requests], dtype=np.int64)
    caches = np.array([cache for cache, *_ in requests], np.int32)
    actions = np.array([action for _, _, action, _ in requests], np.int8)
    blocks = np.array([b for *_, prompt in requests for b in prompt], np.uint64)
    offsets = np.append(0, np.cumsum([len(prompt) for *_, prompt in requests])).astype(np.int64)
    return times, caches, actions, blocks, offsets


def segmented(caches: np.ndarray, blocks: np.ndarray, offsets: np.ndarray) -> Segments:
    encoder = BlockIds()
    ids = encoder.encode(blocks)
    return within_caches(prompt_segments(ids, offsets, len(encoder)), caches)


def obvious(requests: Requests) -> list[int]:
    """Block by block: what is read, what is written."""
    alive_until: dict[tuple[int, int], tuple[int, int]] = {}
    now = 0
    read: list[int] = []
    for cache, gap, action, prompt in requests:
        now += gap
        hits = 0
        for block in prompt:
            used, lifetime = alive_until.get((cache, block), (0, 0))
            if not lifetime or now - used > lifetime:
                break
            alive_until[cache, block] = (now, lifetime)
            hits += 1
        if action:
            for block in prompt[hits:]:
                alive_until[cache, block] = (now, int(LIFETIMES[action]))
        read.append(hits)
    return read


@settings(deadline=None, max_examples=300)
@given(REQUESTS)
def test_segments_read_what_blocks_read(requests: Requests) -> None:
    times, caches, actions, blocks, offsets = columns(requests)
    segments = segmented(caches, blocks, offsets)
    assert replay_writes(times, segments, actions, LIFETIMES).tolist() == obvious(requests)


@settings(deadline=None)
@given(REQUESTS.map(lambda rs: [r for r in rs if len(set(r[3])) == len(r[3])]))
def test_with_one_choice_for_all_it_is_a_cache_of_one_lifetime(requests: Requests) -> None:
    times, caches, actions, blocks, offsets = columns(requests)
    segments = segmented(caches, blocks, offsets)
    cache = TtlCache([5, 60])
    alive = cache.extend(times, caches, blocks, offsets)
    for action in (1, 2):
        same = np.full(len(actions), action, np.int8)
        read = replay_writes(times, segments, same, LIFETIMES)
        assert read.tolist() == alive[action - 1].tolist()
    assert not replay_writes(times, segments, np.zeros_like(actions), LIFETIMES).any()


@settings(deadline=None)
@given(REQUESTS)
def test_segments_are_runs_that_never_occur_otherwise(requests: Requests) -> None:
    _, _, _, blocks, offsets = columns(requests)
    encoder = BlockIds()
    ids = encoder.encode(blocks)
    found = prompt_segments(ids, offsets, len(encoder))
    assert int(found.lengths.sum()) == len(blocks)
    of_segment: dict[int, list[int]] = {}
    start = 0
    for segment, length in zip(found.ids.tolist(), found.lengths.tolist(), strict=True):
        content = ids[start : start + length].tolist()
        assert of_segment.setdefault(segment, content) == content
        start += length
    sizes = np.add.reduceat(np.append(found.lengths, 0), found.offsets[:-1]) if requests else []
    nonempty = np.diff(found.offsets) > 0
    assert np.asarray(sizes)[nonempty].tolist() == np.diff(offsets)[nonempty].tolist()


def test_what_is_not_written_is_not_read_by_the_next() -> None:
    prompts = [[1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    requests = [(0, 1, a, p) for a, p in zip((0, 1, 0, 0), prompts, strict=True)]
    times, caches, actions, blocks, offsets = columns(requests)
    read = replay_writes(times, segmented(caches, blocks, offsets), actions, LIFETIMES)
    assert read.tolist() == [0, 0, 3, 3]


def test_a_conversation_has_about_one_segment_a_turn() -> None:
    offsets = np.append(0, np.cumsum([100, 200, 300])).astype(np.int64)
    ids = np.concatenate([np.arange(n, dtype=np.int32) for n in (100, 200, 300)])
    found = prompt_segments(ids, offsets, 300)
    assert found.offsets.tolist() == [0, 1, 3, 6]
    assert found.lengths.tolist() == [100, 100, 100, 100, 100, 100]
    assert found.count == 3
