"""The short form of `make chaos`: one seed, the faults that are over within seconds, fewer jobs."""

from __future__ import annotations

import pytest

from tests.chaos.faults import FAULTS, possible
from tests.chaos.run import run
from tests.chaos.stack import harness


@pytest.mark.timeout(300)
def test_nothing_is_lost_doubled_or_missing() -> None:
    with harness() as made:
        faults = [fault for fault in possible(made, FAULTS) if fault.quick]
        answer = run(made, faults, seed=7, jobs=30, each=1, gap_s=1.0)
    assert {key: answer[key] for key in ("lost", "doubled", "gaps")} == {
        "lost": 0,
        "doubled": 0,
        "gaps": 0,
    }
    assert answer["worst_recovery_s"] is not None, "no kill hit a process that ran a stage"
