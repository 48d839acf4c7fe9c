from __future__ import annotations

from netra.agents.reporting.goal_items import Evidence, goal_items
from netra.agents.reporting.judge import Assumed, judge_cost_best, judge_cost_change
from netra.schemas.figure import Figure
from netra.schemas.goal import Goal, Objective


def saving(share: float, text: str = "") -> Assumed:
    """A backtested saving, half a point either way."""
    figure = Figure(
        value=share,
        unit="share",
        interval=(share - 0.005, share + 0.005),
        n=100,
        method="replayed",
    )
    return Assumed(text=text, saving=figure)


def test_what_is_met_under_one_assumption_only_cannot_be_said() -> None:
    assumed = [saving(0.8, "nothing is cached today"), saving(0.0, "all is cached today")]
    verdict = judge_cost_best(assumed, None, ["cached_input_tokens"])
    assert verdict.status == "insufficient_data"
    assert verdict.needs == ("cached_input_tokens",)
    assert "not met if all is cached today" in verdict.note


def test_what_all_assumptions_agree_on_is_said() -> None:
    assert judge_cost_best([saving(0.8, "a"), saving(0.2, "b")], None, ["x"]).status == "met"
    assert judge_cost_best([saving(0.0)], None, ["x"]).status == "not_met"


def test_growth_is_in_the_change_and_in_its_formula() -> None:
    (change,) = judge_cost_change(-0.2, [saving(0.5)], 0.3, []).figures
    assert change.value is not None
    assert round(change.value, 9) == round((1 - 0.5) * 1.3 - 1, 9)
    assert change.method.startswith("(1 - saving) x 1.3 - 1")


def test_a_lever_that_could_not_be_tried_gives_no_figure_of_change() -> None:
    goal = Goal(objectives=(Objective(metric="cost", change=-0.2),))
    (item,) = goal_items(goal, Evidence(lever_needs=("prefix_hashes",)))
    assert item["status"] == "insufficient_data"
    assert "prefix_hashes" in item["needs"]
    assert all(figure["value"] is None for figure in item["figures"])
