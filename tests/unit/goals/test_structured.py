from __future__ import annotations

import pytest

from netra.errors import InvalidGoal
from netra.goals.structured import read_constraints, read_objectives


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ({"metric": "bananas"}, "objectives[0].metric"),
        ({"metric": "cost", "chnage": -0.2}, "objectives[0].chnage"),
        ({"metric": "cost", "change": -1.0}, "objectives[0].change"),
        ({"metric": "cost", "change": float("nan")}, "objectives[0].change"),
        ({"metric": "cost", "change": 0.2}, "objectives[0].change"),
        ({"metric": "quality", "change": -0.2}, "objectives[0].change"),
        ({"metric": "usage"}, "objectives[0].change"),
        ({"metric": "cost", "where": {"colour": "blue"}}, "objectives[0].where"),
        ("cost", "objectives[0].metric"),
    ],
)
def test_a_wrong_objective_is_refused_saying_where(raw, where):
    if isinstance(raw, str):
        where = "objectives[0]"
    with pytest.raises(InvalidGoal) as refusal:
        read_objectives([raw])
    assert refusal.value.errors[0].where == where


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ({"metric": "latency_p95_ms"}, "constraints[0]"),
        ({"metric": "latency_p95_ms", "max": -5}, "constraints[0].max"),
        ({"metric": "latency_p95_ms", "max": 100, "min": 200}, "constraints[0]"),
        ({"metric": "quality", "min": 90}, "constraints[0].min"),
        ({"metric": "latency_p95_ms", "max": 5, "per": "day"}, "constraints[0].per"),
        ({"metric": "usage", "max": 5}, "constraints[0].metric"),
        ({"metric": "cost", "max": 5, "where": {"prefix_hashes": 1}}, "constraints[0].where"),
    ],
)
def test_a_wrong_constraint_is_refused_saying_where(raw, where):
    with pytest.raises(InvalidGoal) as refusal:
        read_constraints([raw])
    assert refusal.value.errors[0].where == where


def test_every_fault_is_reported_at_once():
    with pytest.raises(InvalidGoal) as refusal:
        read_objectives([{"metric": "x"}, {"metric": "cost", "change": 2}])
    assert [p.where for p in refusal.value.errors] == [
        "objectives[0].metric",
        "objectives[1].change",
    ]
