"""The agent demand: its content, its chapter, and what it needs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from netra.agents.base import QuietContext
from netra.agents.demand import run
from netra.catalog.params import DemandParams
from netra.errors import InsufficientData, InvalidInput, StageCancelled
from netra.reports.svg import draw
from netra.schemas.report import Section
from tests.unit.agents.forecasting.demands import MONDAY_S, inputs, points, rates


def content(days: int = 10, **given: Any) -> dict[str, Any]:
    batch = points(rates(days), MONDAY_S)
    return dict(run(inputs(demand=batch), DemandParams(**given), QuietContext()).content)


def test_a_forecast_with_its_interval_and_its_backtest() -> None:
    found = content()
    assert found["forecast"]["at"][0] == "2026-01-15T00:00:00Z"
    assert len(found["forecast"]["at"]) == 24
    total = found["forecast"]["total"]
    for low, point, high in zip(total["low"], total["point"], total["high"], strict=True):
        assert 0 <= low <= point <= high
    truth = 6 * (2 + np.sin(2 * np.pi * (np.arange(24) + 0.5) / 24))
    assert np.array(total["point"]) == pytest.approx(truth, rel=0.15)
    assert list(found["forecast"]["series"]) == ["client-2", "client-1", "client-0"]
    backtest = found["backtest"]["total"]
    assert backtest["origins"] == 4
    assert backtest["wape"] < backtest["naive_wape"]
    assert found["chosen"]["(total)"] == "combination"
    assert found["weekly_season"]["needs"] == [
        "21 days of history to test a weekly season, there are 10.0"
    ]
    assert len(json.dumps(found)) < 256_000


def test_the_chapter_can_be_drawn() -> None:
    section = msgspec.convert(content()["section"], Section)
    assert section.status == "ok"
    assert "requests/s" in section.says
    assert [chart.id for chart in section.charts] == ["demand-forecast", "demand-backtest"]
    assert all(draw(chart) for chart in section.charts)
    for figure in section.figures:
        assert figure.status == "ok"
        assert figure.method
        assert figure.n
        assert figure.source


def test_without_a_calendar_no_calendar_is_claimed() -> None:
    batch = points(rates(8))
    found = run(inputs(demand=batch, anchored=False), DemandParams(), QuietContext()).content
    assert found["forecast"]["at"][:2] == [8.0, pytest.approx(8 + 1 / 24, abs=1e-4)]
    assert "no calendar" in found["section"]["says"]
    assert found["section"]["charts"][0]["x_label"] == "days since the series began"


def test_windows_and_horizon_can_be_asked_for() -> None:
    found = content(window_minutes=30, horizon_hours=36, level=0.5)
    assert (found["window_s"], found["horizon_windows"]) == (1800.0, 72)
    assert len(found["forecast"]["total"]["point"]) == 72


@pytest.mark.parametrize("days", [1, 3])
def test_a_short_history_says_how_much_it_needs(days: int) -> None:
    with pytest.raises(InsufficientData) as raised:
        content(days)
    assert raised.value.needs == [
        f"4.0 days of history (three seasons and one to test on), there are {days}.0"
    ]


def test_a_week_as_season_needs_four() -> None:
    with pytest.raises(InsufficientData) as raised:
        content(10, season_hours=168)
    assert raised.value.needs[0].startswith("28.0 days of history")


def test_silence_is_no_demand() -> None:
    batch = points(np.zeros((2, 10 * 144)))
    with pytest.raises(InsufficientData):
        run(inputs(demand=batch), DemandParams(), QuietContext())


def test_it_stops_when_asked() -> None:
    with pytest.raises(StageCancelled):
        run(inputs(demand=points(rates(6))), DemandParams(), QuietContext(stop=True))


def test_a_season_is_whole_windows() -> None:
    with pytest.raises(InvalidInput):
        DemandParams(window_minutes=50).check("params")
