"""Prefix-cache hits and prefix-aware routing, each rule by an example that can be done by hand.

A block has two tokens; a step takes a second and up to 8 tokens, one request arrives every 100 s.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from netra.analysis.serving.prefixes import prefixes_of
from netra.analysis.serving.settings import Autoscaling, EngineSettings, Fleet
from netra.analysis.serving.simulator import Service, simulate
from netra.analysis.serving.step_time import StepTable
from netra.errors import InsufficientData, InvalidInput

_ENGINE = EngineSettings(
    max_num_seqs=4,
    max_num_batched_tokens=8,
    kv_blocks=100,
    block_tokens=2,
    async_scheduling=False,
)
_TABLE = StepTable(tokens_s=np.ones(9), sequences_s=np.zeros(5), kv_s=np.zeros(5), pair_s=0.0)


def served(
    hashes: list[list[int]],
    prompt: list[int],
    output: list[int] | None = None,
    *,
    arrival: list[float] | None = None,
    fleet: Fleet | None = None,
    hashed_tokens: int = 2,
    **engine: int | bool,
) -> Service:
    n = len(hashes)
    settings = dataclasses.replace(_ENGINE, **engine)  # pyright: ignore[reportArgumentType]
    fleet = dataclasses.replace(fleet or Fleet(engine=settings), engine=settings)
    prefixes = prefixes_of(
        np.cumsum([0, *map(len, hashes)]),
        np.array([one for blocks in hashes for one in blocks], np.uint64),
        np.array(prompt, np.int64),
        block_tokens=hashed_tokens,
    )
    return simulate(
        np.array(arrival if arrival else 100.0 * np.arange(n)),
        np.array(prompt, np.int64),
        np.array(output or [1] * n, np.int64),
        fleet=fleet,
        table=_TABLE,
        prefixes=prefixes,
    )


def test_what_an_earlier_prompt_left_is_not_computed() -> None:
    service = served([[1, 2, 3, 4, 5, 6, 7, 8]] * 2, [17, 17])
    assert service.cached_tokens.tolist() == [0, 16]
    assert service.ttft_s.tolist() == [3.0, 1.0]
    assert service.read_tokens == 17 + 1


def test_prompts_share_until_they_part() -> None:
    service = served([[1, 2, 3], [1, 2, 4], [1, 9], [8, 2, 3]], [7, 7, 7, 7])
    assert service.cached_tokens.tolist() == [0, 4, 2, 0]


def test_the_last_token_is_always_computed() -> None:
    # All three blocks are there, but the last of six tokens must be computed, and so its block.
    assert served([[1, 2, 3]] * 2, [6, 6]).cached_tokens.tolist() == [0, 4]
    # Of a hashed block of six tokens, too, only the last of its three blocks is computed.
    assert served([[1]] * 2, [6, 6], hashed_tokens=6).cached_tokens.tolist() == [0, 4]
    assert served([[1]] * 2, [6, 7], hashed_tokens=6).cached_tokens.tolist() == [0, 6]


def test_blocks_are_found_while_others_hold_them_and_are_held_once() -> None:
    service = served([[1, 2, 3]] * 3, [7, 7, 7], [9, 9, 9], arrival=[0.0, 1.0, 2.0])
    assert service.cached_tokens.tolist() == [0, 6, 6]
    # Three blocks together, and for 15 tokens each needs five of its own.
    assert service.peak_kv_blocks <= 3 + 3 * 5
    assert served([[], [], []], [7] * 3, [9] * 3, arrival=[0.0, 1.0, 2.0]).peak_kv_blocks > 18


def test_shared_blocks_let_more_run_at_once() -> None:
    # Seven blocks: 4 for the first; a second one fits if it shares three of them.
    apart = served([[1, 2, 3], [4, 5, 6]], [7, 7], [2, 2], arrival=[0.0, 0.5], kv_blocks=7)
    shared = served([[1, 2, 3]] * 2, [7, 7], [2, 2], arrival=[0.0, 0.5], kv_blocks=7)
    assert apart.scheduled_s.tolist() == [0.0, 2.0]
    assert shared.scheduled_s.tolist() == [0.0, 1.0]


def test_what_was_freed_longest_ago_is_taken_first_and_of_that_the_end() -> None:
    # Ten blocks. Two prompts leave four blocks each; a third one takes the two that were never
    # used and then, of the first prompt, its unnamed last block and the last hashed one.
    hashes = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 2, 3]]
    assert served(hashes, [7] * 4, kv_blocks=10).cached_tokens.tolist() == [0, 0, 0, 4]
    hashes[3] = [4, 5, 6]
    assert served(hashes, [7] * 4, kv_blocks=10).cached_tokens.tolist() == [0, 0, 0, 6]


def test_what_is_found_again_counts_as_used_again() -> None:
    hashes = [[1, 2, 3], [4, 5, 6], [1, 2, 3], [7, 8, 9], [1, 2, 3]]
    assert served(hashes, [7] * 5, kv_blocks=10).cached_tokens.tolist() == [0, 0, 6, 0, 6]
    hashes[4] = [4, 5, 6]
    assert served(hashes, [7] * 5, kv_blocks=10).cached_tokens[4] < 6


def test_generated_tokens_take_cached_blocks_too() -> None:
    # Of eight blocks the first leaves four; the second one needs two, and 14 tokens more.
    hashes = [[1, 2, 3], [4], [1, 2, 3]]
    service = served(hashes, [7, 3, 7], [1, 12, 1], kv_blocks=8)
    assert service.cached_tokens.tolist() == [0, 0, 2]


def test_a_hashed_block_of_which_a_part_was_taken_is_found_in_part() -> None:
    # One hashed block is three blocks; the third request takes the last of them.
    service = served([[1], [2], [3], [1]], [7] * 4, kv_blocks=10, hashed_tokens=6)
    assert service.cached_tokens.tolist() == [0, 0, 0, 4]


def test_a_preempted_sequence_finds_again_what_is_still_there() -> None:
    # Two share two blocks and need four more each, but there are nine.
    hashes = [[1, 2], [1, 2]]
    service = served(hashes, [5, 5], [8, 8], arrival=[0.0, 0.5], kv_blocks=8)
    assert service.preemptions.tolist() == [0, 1]
    assert service.cached_tokens.tolist() == [0, 4]
    # Its shared blocks were never lost; it reads at most the tokens that it had alone.
    assert 5 + 1 < service.read_tokens <= 5 + 1 + 7


def test_no_requests_are_served_at_once() -> None:
    assert served([], []).cached_tokens.tolist() == []


def test_without_prefix_caching_nothing_is_found() -> None:
    service = served([[1, 2, 3]] * 2, [7, 7], prefix_caching=False)
    assert service.cached_tokens.tolist() == [0, 0]


def test_each_replica_has_a_cache_of_its_own() -> None:
    fleet = Fleet(engine=_ENGINE, replicas=2)
    service = served([[1, 2, 3]] * 4, [7] * 4, fleet=fleet)
    assert service.cached_tokens.tolist() == [0, 0, 6, 6]


def test_a_replica_that_was_off_starts_with_an_empty_cache() -> None:
    # Three at once at 0 s and at 100 s make a second replica start, which is off in between.
    scaler = Autoscaling(least=1, target=1.5, startup_s=0.0, interval_s=0.5, cooldown_s=1.0)
    fleet = Fleet(engine=_ENGINE, replicas=2, autoscaling=scaler, routing="least-loaded")
    arrival = [0.0, 0.0, 0.0, 1.0, 100.0, 100.0, 100.0, 101.0]
    service = served([[1, 2, 3]] * 8, [7] * 8, [5] * 8, arrival=arrival, fleet=fleet, kv_blocks=200)
    assert service.replica.tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
    assert service.cached_tokens[[3, 7]].tolist() == [0, 0]
    assert service.cached_tokens[[4, 5, 6]].tolist() == [6, 6, 6]


def aware(replicas: int = 3, **changed: float) -> Fleet:
    fleet = Fleet(engine=_ENGINE, replicas=replicas, routing="prefix-aware")
    return dataclasses.replace(fleet, **changed)  # pyright: ignore[reportArgumentType]


def test_the_router_follows_the_longest_prefix() -> None:
    # The second one finds nothing and goes to the first of the idle ones; so does the third.
    hashes = [[1, 2, 3], [4, 5, 6], [1, 2, 3]]
    assert served(hashes, [7] * 3, fleet=aware()).replica.tolist() == [0, 0, 0]
    service = served(
        [*hashes, [4, 5, 6]], [7] * 4, [2, 2, 2, 2], arrival=[0.0, 0.0, 9.0, 9.0], fleet=aware()
    )
    assert service.replica.tolist() == [0, 1, 0, 1]
    assert service.cached_tokens.tolist() == [0, 0, 6, 6]


def test_the_router_leaves_a_prefix_that_is_too_busy() -> None:
    arrival = [0.0] + [10.0] * 4
    for margin, replicas in ((0, [0, 0, 1, 2, 0]), (1, [0, 0, 0, 1, 2]), (9, [0, 0, 0, 0, 0])):
        service = served(
            [[1, 2, 3]] * 5, [7] * 5, [5] * 5, arrival=arrival, fleet=aware(prefix_margin=margin)
        )
        assert service.replica.tolist() == replicas, margin


def test_the_router_ignores_a_prefix_that_is_short() -> None:
    # Replica 0 has two requests and 2 of the last one's 7 tokens; replica 1 has one request.
    hashes = [[1, 2, 3], [8, 8, 8], [1, 9, 9]]
    for share, replica in ((0.2, 0), (0.3, 1)):
        service = served(
            [*hashes[:1], *hashes],
            [7] * 4,
            [30] * 4,
            arrival=[0.0, 1.0, 1.0, 4.0],
            fleet=aware(2, prefix_share=share),
        )
        assert service.replica.tolist() == [0, 0, 1, replica]


def test_the_router_knows_what_was_evicted() -> None:
    # When the last one comes, what it looks for is gone from replica 0, but not from replica 1.
    hashes = [[1, 2, 3], [1, 2, 3], [7] * 8, [1, 2, 3]]
    service = served(
        hashes,
        [7, 7, 17, 7],
        [1, 1, 1, 1],
        arrival=[0.0, 0.0, 10.0, 20.0],
        fleet=aware(2, prefix_margin=0),
        kv_blocks=9,
    )
    assert service.replica.tolist() == [0, 1, 0, 1]
    assert service.cached_tokens.tolist() == [0, 0, 0, 6]


def test_the_router_chooses_the_rank() -> None:
    service = served(
        [[1, 2, 3], [4, 5, 6], [4, 5, 6], [1, 2, 3]],
        [7] * 4,
        arrival=[0.0, 0.0, 10.0, 20.0],
        fleet=aware(1),
        ranks=2,
    )
    assert service.rank.tolist() == [0, 1, 1, 0]
    assert service.cached_tokens.tolist() == [0, 0, 6, 6]


def test_hashes_that_do_not_fit_the_engine_are_refused() -> None:
    with pytest.raises(InvalidInput, match="do not end where blocks of the KV cache end"):
        served([[1]], [7], hashed_tokens=3)
    one = np.ones(2, np.int64)
    prefixes = prefixes_of(np.array([0, 0]), np.zeros(0, np.uint64), one[:1], block_tokens=2)
    fleet = Fleet(engine=_ENGINE)
    with pytest.raises(InvalidInput, match="prefixes of 1 requests for 2 requests"):
        simulate(np.zeros(2), one, one, fleet=fleet, table=_TABLE, prefixes=prefixes)


def test_prefix_aware_routing_needs_hashes_and_a_cache() -> None:
    one = np.ones(1, np.int64)
    with pytest.raises(InsufficientData, match="without block hashes") as raised:
        simulate(np.zeros(1), one, one, fleet=aware(), table=_TABLE)
    assert "prefix_hashes" in raised.value.needs[0]
    with pytest.raises(InvalidInput, match="do not cache prefixes"):
        served([[1]], [7], fleet=aware(), prefix_caching=False)
    for wrong, message in (({"prefix_margin": -1}, "margin of -1"), ({"prefix_share": 2}, "of 2")):
        with pytest.raises(ValueError, match=message):
            aware(**wrong)
