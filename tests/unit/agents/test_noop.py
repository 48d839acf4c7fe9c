from __future__ import annotations

import time

import pytest

from netra.agents import noop
from netra.agents.base import Inputs, QuietContext, WorkloadInfo
from netra.catalog.params import NoopParams
from netra.errors import StageCancelled
from netra.schemas.goal import Goal

INPUTS = Inputs(
    job_id="j",
    workload=WorkloadInfo(id="", name="", anchored=False, events=0),
    goal=Goal(),
    events=lambda: iter(()),
)


def test_it_ticks_as_often_as_asked() -> None:
    context = QuietContext()
    noop.run(INPUTS, NoopParams(ticks=4), context)
    assert [fraction for fraction, _ in context.ticks] == [0.25, 0.5, 0.75, 1.0]


def test_it_fails_as_often_as_asked_and_remembers() -> None:
    context = QuietContext()
    for _ in range(2):
        with pytest.raises(noop.NoopFailure):
            noop.run(INPUTS, NoopParams(fail_attempts=2), context)
    assert noop.run(INPUTS, NoopParams(fail_attempts=2), context).content["attempts"] == 3


def test_it_stops_when_asked() -> None:
    with pytest.raises(StageCancelled):
        noop.run(INPUTS, NoopParams(sleep_s=60), QuietContext(stop=True))


def test_it_fans_out() -> None:
    fan_out = noop.run(INPUTS, NoopParams(fan_out=3), QuietContext()).fan_out
    assert fan_out is not None
    assert [child.name for child in fan_out.children] == ["part-0", "part-1", "part-2"]
    assert fan_out.merge.name == "merge"


def test_it_can_hold_the_interpreter_lock() -> None:
    start = time.monotonic()
    noop.run(INPUTS, NoopParams(hold_gil_s=0.05), QuietContext())
    assert time.monotonic() - start >= 0.05


def test_works_on_from_where_it_was_saved() -> None:
    context = QuietContext()
    assert noop.run(INPUTS, NoopParams(steps=5), context).content["resumed_at"] == 0
    assert context.restored == 5
    again = QuietContext(restored=3)
    assert noop.run(INPUTS, NoopParams(steps=5), again).content["resumed_at"] == 3
    assert [message for _, message in again.ticks] == ["step 4 of 5", "step 5 of 5"]


def test_leaves_a_table() -> None:
    tables = noop.run(INPUTS, NoopParams(table_rows=7), QuietContext()).tables
    assert tables["rows"].column("row").to_pylist() == list(range(7))
