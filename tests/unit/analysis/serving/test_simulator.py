"""The simulator against sums, and against what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.serving.settings import Autoscaling, EngineSettings, Fleet
from netra.analysis.serving.simulator import Service, simulate
from netra.analysis.serving.step_time import StepTable
from netra.errors import InvalidInput


def one_engine(**changed: int | bool) -> EngineSettings:
    given = {"max_num_seqs": 4, "max_num_batched_tokens": 8, "kv_blocks": 100} | changed
    return EngineSettings(**given)  # pyright: ignore[reportArgumentType]


def flat_table(tokens: int = 8, sequences: int = 4) -> StepTable:
    """Every step takes one second."""
    return StepTable(
        tokens_s=np.ones(tokens + 1),
        sequences_s=np.zeros(sequences + 1),
        kv_s=np.zeros(sequences + 1),
        pair_s=0.0,
    )


def served(
    arrival: list[float], prompt: list[int], output: list[int], engine: EngineSettings
) -> Service:
    return simulate(
        np.array(arrival, np.float64),
        np.array(prompt, np.int64),
        np.array(output, np.int64),
        fleet=Fleet(engine=engine),
        table=flat_table(engine.max_num_batched_tokens, engine.max_num_seqs),
    )


def test_a_long_prompt_is_read_in_chunks_and_then_a_token_a_step() -> None:
    service = served([5.0], [20], [4], one_engine())
    assert service.ttft_s.tolist() == [3.0]
    assert service.tpot_s.tolist() == [1.0]
    assert service.latency_s.tolist() == [6.0]


def test_an_arrival_waits_for_one_step_more_if_scheduling_is_asynchronous() -> None:
    for asynchronous, first in ((False, 2.0), (True, 3.0)):
        engine = one_engine(async_scheduling=asynchronous)
        service = served([0.0, 0.5], [1, 1], [9, 1], engine)
        assert service.first_token_s.tolist() == [1.0, first]


def test_a_slot_is_freed_one_step_later_if_scheduling_is_asynchronous() -> None:
    for asynchronous, first in ((False, 4.0), (True, 4.0)):
        engine = one_engine(max_num_seqs=1, async_scheduling=asynchronous)
        service = served([0.0, 0.5], [1, 1], [3, 1], engine)
        assert service.finish_s.tolist() == [3.0, first]


def test_the_newest_is_preempted_and_what_it_generated_is_read_again() -> None:
    engine = one_engine(kv_blocks=6, block_tokens=2, async_scheduling=False)
    service = served([0.0, 0.0], [4, 4], [6, 3], engine)
    # Both hold two blocks and take a third in step 1; in step 3 the older needs a fourth one, and
    # the newer has finished by then; with one token more it would not have.
    assert service.preemptions.tolist() == [0, 0]
    service = served([0.0, 0.0], [4, 4], [6, 5], engine)
    assert service.preemptions.tolist() == [0, 1]
    # The older ends in step 5; what the newer had (4 + 3 tokens) is read in step 6, which gives
    # its fourth token, and step 7 the fifth.
    assert service.finish_s.tolist() == [6.0, 8.0]


def test_random_routing_follows_its_seed() -> None:
    n = 64
    one = np.ones(n, np.int64)

    def places(seed: int) -> list[int]:
        fleet = Fleet(engine=one_engine(), replicas=4, routing="random", seed=seed)
        arrival = np.arange(n, dtype=np.float64)
        return simulate(arrival, one, one, fleet=fleet, table=flat_table()).replica.tolist()

    assert places(1) == places(1) != places(2)
    assert set(places(1)) == {0, 1, 2, 3}


def test_no_requests_are_served_at_once() -> None:
    service = served([], [], [], one_engine())
    assert (len(service.finish_s), service.steps, len(service.occupancy.kv)) == (0, 0, 0)


def test_what_cannot_be_served_is_refused() -> None:
    engine = one_engine(kv_blocks=2)
    with pytest.raises(InvalidInput, match="1 of 2 requests can never be served"):
        served([0.0, 0.0], [30, 31], [3, 3], engine)
    with pytest.raises(InvalidInput, match="not in order"):
        served([1.0, 0.0], [1, 1], [1, 1], engine)
    with pytest.raises(InvalidInput, match=r"output_tokens\[1\]"):
        served([0.0, 0.0], [1, 1], [1, 0], engine)
    with pytest.raises(ValueError, match="step times reach to 8 tokens"):
        simulate(
            np.zeros(1),
            np.ones(1, np.int64),
            np.ones(1, np.int64),
            fleet=Fleet(engine=one_engine(max_num_batched_tokens=9)),
            table=flat_table(),
        )


def test_limits_that_make_no_engine_are_refused() -> None:
    with pytest.raises(ValueError, match="kv_blocks is 0"):
        one_engine(kv_blocks=0)
    with pytest.raises(ValueError, match="could not hold one token of each"):
        one_engine(max_num_batched_tokens=3)
    with pytest.raises(ValueError, match="0 replicas"):
        Fleet(engine=one_engine(), replicas=0)


def scaled(**changed: float) -> Service:
    """Requests of ten steps of a second each, two at 0 s and then one every 4 s, until 96 s."""
    arrival = np.array([0.0, *np.arange(0.0, 100.0, 4.0)])
    ones = np.ones(len(arrival), np.int64)
    given = {"least": 1, "target": 1.5, "startup_s": 6.0, "interval_s": 10.0, "cooldown_s": 20.0}
    scaler = Autoscaling(**(given | changed))  # pyright: ignore[reportArgumentType]
    fleet = Fleet(engine=one_engine(), replicas=3, autoscaling=scaler, routing="least-loaded")
    return simulate(arrival, ones, 10 * ones, fleet=fleet, table=flat_table())


def test_replicas_follow_the_load_and_serve_once_they_have_started() -> None:
    service = scaled()
    # Nothing is there at 0 s; four requests are at 10 s, for which 3 replicas are wanted.
    assert service.replicas_on[:2].tolist() == [1, 3]
    assert set(service.replica[service.arrival_s < 16.0].tolist()) == {0}
    assert service.replica[service.arrival_s == 16.0].tolist() == [1]
    assert set(service.replica.tolist()) == {0, 1, 2}


def test_replicas_are_kept_for_the_cooldown() -> None:
    # About 2.5 requests are there at once: two replicas are wanted after the first rush.
    quick, slow = scaled(cooldown_s=0.0), scaled(cooldown_s=50.0)
    assert slow.replicas_on.sum() > quick.replicas_on.sum()
    assert slow.replica_s > quick.replica_s
    assert slow.replicas_on[1:7].tolist() == [3] * 6


def test_without_an_autoscaler_all_replicas_are_paid_to_the_end() -> None:
    service = served([5.0], [20], [4], one_engine())
    assert (service.replicas_on.tolist(), service.replica_s) == ([], 6.0)


def test_an_autoscaler_that_makes_no_sense_is_refused() -> None:
    for wrong, message in (
        ({"least": 0}, "0 replicas at least"),
        ({"least": 4}, "3 replicas at most, 4 at least"),
        ({"target": 0.0}, "a target of 0.0"),
        ({"interval_s": 0.0}, "every 0.0 s"),
        ({"startup_s": -1.0}, "starts within -1.0 s"),
    ):
        with pytest.raises(ValueError, match=message):
            scaled(**wrong)
