from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from netra.agents.seeding import seed_of
from netra.engine.claim import Claim
from netra.ids import new_id
from netra.settings import load
from netra.tasks.context import StageContext

WORKLOAD = str(UUID(int=7))


def _seed(held: Claim) -> int:
    nobody: Any = None
    return StageContext(held, nobody, nobody, load({}), "numpy").seed


def claim(**differences: Any) -> Claim:
    row = {
        "stage_id": str(new_id()),
        "job_id": str(new_id()),
        "tenant_id": "default",
        "workload_id": WORKLOAD,
        "batch_id": None,
        "name": "a",
        "agent": "backtest",
        "pool": "cpu",
        "params": {"resamples": 100},
        "after": [],
        "ingests": ["b", "a"],
        "attempt": 1,
        "fence": 1,
        "epoch": 1,
        "limit_s": 60.0,
        "checkpoint": None,
        "goal": {},
        "job_params": {},
        "traceparent": None,
    }
    return msgspec.convert({**row, **differences}, Claim)


def test_the_same_question_draws_the_same_wherever_it_is_asked() -> None:
    elsewhere = claim(attempt=2, ingests=["c"], workload_id=str(UUID(int=8)))
    assert _seed(claim()) == _seed(elsewhere)
    assert _seed(claim()) == seed_of("backtest", {"resamples": 100})


def test_another_question_draws_anew() -> None:
    others = [{"params": {"resamples": 200}}, {"agent": "profile"}]
    assert _seed(claim()) not in {_seed(claim(**other)) for other in others}
