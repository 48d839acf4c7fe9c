from __future__ import annotations

import pytest

from netra.agents.loading import load_agent
from netra.catalog import agents
from netra.errors import InvalidInput
from netra.models.event import READABLE_COLUMN_NAMES


@pytest.mark.parametrize("spec", agents.all_agents(), ids=lambda spec: spec.name)
def test_every_entry_is_true_of_its_code(spec: agents.AgentSpec) -> None:
    if spec.name.startswith("test-"):
        pytest.skip("added by a test")
    assert callable(load_agent(spec))
    assert spec.summary.endswith(".")
    assert set(spec.columns) <= set(READABLE_COLUMN_NAMES)
    known = {agent.name for agent in agents.all_agents()}
    assert set(spec.upstream) <= known
    assert spec.limit_s > 0


def test_text_from_a_command_line_is_understood() -> None:
    parsed = agents.get("noop").parse_params({"ticks": "3", "sleep_s": "0.5"})
    assert (parsed.ticks, parsed.sleep_s) == (3, 0.5)  # type: ignore[attr-defined]


@pytest.mark.parametrize("raw", [{"tikcs": 3}, {"ticks": -1}, {"ticks": "many"}])
def test_a_wrong_parameter_is_named(raw: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="tick"):
        agents.get("noop").parse_params(raw, "params.noop")


def test_an_unknown_agent_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidInput, match="noop2") as caught:
        agents.get("noop2", "stages[0].agent")
    assert caught.value.errors[0].where == "stages[0].agent"
