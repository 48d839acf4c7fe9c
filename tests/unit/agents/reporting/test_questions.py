"""Questions of a goal: what growth does to a forecast, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from netra.agents.base import Inputs, WorkloadInfo
from netra.agents.reporting.questions import Answer, answer_question
from netra.schemas.figure import Figure
from netra.schemas.goal import Goal


def asked(profile: Mapping[str, Any], upstream: Mapping[str, Any]) -> Answer:
    goal = Goal(question="forecast", about={"growth": 0.5, "metrics": ["cost"]})
    inputs = Inputs(
        job_id="job",
        workload=WorkloadInfo(id="w", name="w", anchored=True, events=0),
        goal=goal,
        events=lambda: iter(()),
        upstream=upstream,
    )
    found = answer_question(goal, inputs, profile, {})
    assert found is not None
    return found


def peak() -> dict[str, Any]:
    figure = Figure(
        value=20.0, unit="requests/s", interval=(16.0, 24.0), level=0.8, n=5, label="Highest hour"
    )
    return {"demand": {"figures": {"peak_ahead": msgspec.to_builtins(figure)}}}


def test_growth_is_applied_to_the_forecast_and_its_interval() -> None:
    found = asked({}, peak())
    by_label = {f.label.replace("\u00a0", " "): f for f in found.figures}
    grown = by_label["Highest hour, usage +50 %"]
    assert grown.value == pytest.approx(30.0)
    assert grown.interval == pytest.approx((24.0, 36.0))
    assert "with usage +50 % that is 30" in found.says.replace("\u00a0", " ")


def test_what_the_profile_lacks_is_what_the_answer_needs() -> None:
    found = asked({"status": "insufficient_data", "needs": ["events"]}, {})
    assert found.status == "insufficient_data"
    assert found.needs == ("events",)
    assert found.figures[0].label == "Cost at list prices"
