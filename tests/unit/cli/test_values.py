from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from netra.cli.values import Moment, agent_params, labels
from netra.errors import InvalidInput


def test_parameters_are_grouped_by_agent() -> None:
    given = ["caching.capacities=1000,10000", "prompt-cache.top_level_only=true", "caching.x=a=b"]
    assert agent_params(given) == {
        "caching": {"capacities": [1000, 10000], "x": "a=b"},
        "prompt-cache": {"top_level_only": True},
    }


@pytest.mark.parametrize("text", ["capacities=1", "caching.capacities", ".x=1", "caching.=1"])
def test_a_parameter_without_agent_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"AGENT\.NAME=VALUE"):
        agent_params([text])


def test_labels() -> None:
    assert labels(["team=search", "empty="]) == {"team": "search", "empty": ""}
    with pytest.raises(InvalidInput, match="NAME=VALUE"):
        labels(["team"])


def test_moments() -> None:
    moment = Moment().convert
    assert moment("2026-05-01", None, None) == datetime(2026, 5, 1, tzinfo=UTC)
    assert moment("2026-05-01T09:00:00+02:00", None, None) == datetime(
        2026, 5, 1, 9, tzinfo=timezone(timedelta(hours=2))
    )
