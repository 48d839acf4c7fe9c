from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from netra.engine.claim import Claim
from netra.ids import new_id
from netra.tasks.context import _seed

WORKLOAD = str(UUID(int=7))


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


def test_the_same_question_on_the_same_events_draws_the_same() -> None:
    assert _seed(claim()) == _seed(claim(attempt=2, ingests=["a", "b"]))


def test_another_question_draws_anew() -> None:
    others = [
        {"params": {"resamples": 200}},
        {"ingests": ["a"]},
        {"agent": "profile"},
        {"workload_id": str(UUID(int=8))},
    ]
    assert _seed(claim()) not in {_seed(claim(**other)) for other in others}
