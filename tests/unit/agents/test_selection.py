from __future__ import annotations

from netra.agents.selection import in_words, selected, selections
from netra.goals.parse import parse_goal
from tests.unit.agents.workloads import batch

ROWS = batch(
    feature=["search", "chat", None, "search"],
    tool_name=[None, "grep", "ls", "grep"],
    input_tokens=[1, 2, None, 1],
)


def test_every_column_has_to_match():
    assert selected(ROWS, {}).tolist() == [True] * 4
    assert selected(ROWS, {"feature": "search"}).tolist() == [True, False, False, True]
    both = {"feature": "search", "tool_name": "grep"}
    assert selected(ROWS, both).tolist() == [False, False, False, True]


def test_a_star_is_every_known_value():
    assert selected(ROWS, {"tool_name": "*"}).tolist() == [False, True, True, True]


def test_numbers_are_compared_as_numbers():
    assert selected(ROWS, {"input_tokens": 1}).tolist() == [True, False, False, True]


def test_an_absent_column_selects_nothing():
    assert not selected(ROWS, {"app": "x"}).any()


def test_the_selections_of_a_goal_are_distinct():
    goal = parse_goal("Feature X may take 500 ms. Cut cost of feature X by 20 %. Tools 2x faster.")
    assert selections(goal) == [{"feature": "X"}, {"tool_name": "*"}]


def test_selections_have_words():
    assert (
        in_words({"feature": "search", "tool_name": "*"}) == "feature 'search', a known tool_name"
    )
