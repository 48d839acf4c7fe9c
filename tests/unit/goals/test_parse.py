from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.errors import InvalidGoal
from netra.goals.lexicon import LEXICON
from netra.goals.parse import EXAMPLES, MAX_LENGTH, parse_goal
from netra.schemas.goal import Constraint, Goal, Objective
from tests.unit.goals.notation import brief

HERE = Path(__file__).parent
P95 = "latency without a percentile is read as p95"


def cases(name: str) -> list[tuple[str, str]]:
    lines = [ln for ln in (HERE / name).read_text(encoding="utf-8").splitlines() if ln]
    lines = [ln for ln in lines if not ln.startswith("#")]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return [(text, read.strip().removeprefix("=> ")) for text, read in pairs]


@pytest.mark.parametrize(("text", "expected"), cases("understood.txt"))
def test_a_goal_is_read_as_meant(text: str, expected: str):
    assert brief(parse_goal(text)) == expected


@pytest.mark.parametrize(("text", "words"), cases("refused.txt"))
def test_what_is_not_understood_is_refused_naming_the_words(text: str, words: str):
    with pytest.raises(InvalidGoal) as refusal:
        parse_goal(text)
    problem = refusal.value.errors[0]
    assert words in (problem.got or problem.problem)


def _constraint(metric: str, **bounds: object) -> Constraint:
    return Constraint(metric=metric, **bounds)  # type: ignore[arg-type]


# The nine scenarios, exactly.
NINE: list[tuple[str, Goal]] = [
    (
        "Cut cost at equal quality. Feature X may take 500 ms, feature Y must stay under 200 ms.",
        Goal(
            objectives=(Objective(metric="cost"),),
            constraints=(
                _constraint("quality", max_change=0.0),
                _constraint("latency_p95_ms", max=500.0, where={"feature": "X"}),
                _constraint("latency_p95_ms", max=200.0, where={"feature": "Y"}),
            ),
            assumptions=(P95,),
        ),
    ),
    (
        "Make the tools three times faster without spending more.",
        Goal(
            objectives=(
                Objective(
                    metric="latency_p95_ms", change=-0.666666666667, where={"tool_name": "*"}
                ),
            ),
            constraints=(_constraint("cost", max_change=0.0),),
            assumptions=(P95,),
        ),
    ),
    (
        "Usage will grow by 50 %. What happens to cost and to our rate limits?",
        Goal(question="forecast", about={"metrics": ["cost", "rate_limits"], "growth": 0.5}),
    ),
    (
        "Optimize function `summarize_ticket`.",
        Goal(
            objectives=(Objective(metric="cost", where={"feature": "summarize_ticket"}),),
            assumptions=("'optimize' without a metric is read as: cut cost",),
        ),
    ),
    (
        "Would model A or model B suit my workload?",
        Goal(question="compare_models", about={"models": ["A", "B"]}),
    ),
    ("Audit our prompt caching.", Goal(question="audit_caching")),
    (
        "Cost −20 %, latency halved, usage +30 %, all together.",
        Goal(
            objectives=(
                Objective(metric="cost", change=-0.2),
                Objective(metric="latency_p95_ms", change=-0.5),
                Objective(metric="usage", change=0.3),
            ),
            assumptions=(P95,),
        ),
    ),
    (
        "Which of the agent's tools should switch model?",
        Goal(question="tool_models", about={"tools": []}),
    ),
    (
        "Was yesterday's model upgrade worth it? Roll back where cost rose and quality did not.",
        Goal(
            question="evaluate_upgrade",
            about={
                "what": "model",
                "when": "yesterday",
                "roll_back_when": [
                    {"metric": "cost", "moved": "up"},
                    {"metric": "quality", "moved": "not up"},
                ],
            },
        ),
    ),
]


@pytest.mark.parametrize(("text", "expected"), NINE, ids=[str(i + 1) for i in range(len(NINE))])
def test_the_nine_scenarios(text: str, expected: Goal):
    goal = parse_goal(text)
    assert goal.text == text
    for field in ("objectives", "constraints", "question", "about", "assumptions"):
        assert getattr(goal, field) == getattr(expected, field), field


def test_a_refusal_shows_goals_that_are_understood():
    with pytest.raises(InvalidGoal) as refusal:
        parse_goal("paint the office blue")
    assert refusal.value.status == 422
    expected = refusal.value.errors[0].expected
    for example in EXAMPLES:
        assert example in expected
        parse_goal(example)


def test_a_clause_that_is_not_understood_is_never_dropped():
    parse_goal("Cut cost by 20 %.")
    with pytest.raises(InvalidGoal, match="widget"):
        parse_goal("Cut cost by 20 %. The widget must stay under 3 kg.")


def test_what_was_left_open_is_written_down():
    goal = parse_goal("Optimize `search`, 20 % faster, budget of $500")
    assert goal.assumptions == (
        "'optimize' without a metric is read as: cut cost",
        "'search' is read as a feature",
        P95,
        "'20% faster' is read as 20% less latency",
        "a bound on cost without a period is read as over the workload's span",
    )


def test_text_and_json_are_merged():
    goal = parse_goal(
        "Cut cost; p95 latency no worse",
        [{"metric": "cost", "change": -0.2}],
        [{"metric": "latency_p95_ms", "max": 500, "where": {"feature": "X"}}],
    )
    assert brief(goal) == ("cost -20%; latency_p95_ms no worse; latency_p95_ms <= 500 @feature=X")


def test_json_alone_is_a_goal():
    assert brief(parse_goal(None, [Objective(metric="cost", change=-0.1)])) == "cost -10%"


@pytest.mark.parametrize(
    ("text", "objectives", "constraints"),
    [
        ("cost -20 %", [{"metric": "cost", "change": -0.3}], []),
        ("p95 latency under 500 ms", [], [{"metric": "latency_p95_ms", "max": 400}]),
        ("quality above 0.9", [], [{"metric": "quality", "max": 0.5}]),
    ],
)
def test_a_goal_that_contradicts_itself_is_refused(text, objectives, constraints):
    with pytest.raises(InvalidGoal, match="contradicts itself"):
        parse_goal(text, objectives, constraints)


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_an_empty_goal_is_refused(text):
    with pytest.raises(InvalidGoal, match="states nothing"):
        parse_goal(text)


def test_an_endless_goal_is_refused():
    with pytest.raises(InvalidGoal, match="characters"):
        parse_goal("cost -20 % " * (MAX_LENGTH // 10))


PHRASES = sorted(" ".join(words) for words in LEXICON.phrases)
ODDITIES = ["20 %", "-20%", "500 ms", "0 %", "0 times", "1/0", "$5", "1-2", "X", "`q r`", "gpt-4o"]


def assert_read_or_refused(text: str) -> None:
    """Nothing but a refusal that says why may be raised."""
    refused: InvalidGoal | None = None
    try:
        parse_goal(text)
    except InvalidGoal as e:
        refused = e
    assert refused is None or refused.errors[0].problem


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.sampled_from(PHRASES + 20 * ODDITIES), min_size=1, max_size=9))
def test_any_words_are_read_or_refused(words):
    assert_read_or_refused(" ".join(words))


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    assert_read_or_refused(text)


def test_parsing_loads_no_numerics():
    code = (
        "import sys, netra.goals.parse\n"
        "bad = {'numpy', 'numba', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'loaded {bad}' if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
