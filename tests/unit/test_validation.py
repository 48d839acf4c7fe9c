"""Messages of msgspec become problems: where, what was found, what would do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from netra.errors import Problem
from netra.schemas.job import JobRequest
from netra.validation import problem_of, problems_of


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["x", "y"]


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=3)]
    many: tuple[Inner, ...] | None = None
    counts: dict[Literal["a", "b"], int] = {}
    nested: list[dict[str, dict[str, int]]] = []
    share: float | int | None = None


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """Has no fields."""


def refused(value: Any, kind: Any = Outer, under: str = "") -> Problem:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)
    return problem_of(caught.value, value, kind, under)


@pytest.mark.parametrize(
    ("value", "where", "problem", "got", "expected"),
    [
        ({"name": 7}, "name", "wrong type", 7, "text"),
        ({"name": "long"}, "name", "not accepted", "long", "text of length <= 3"),
        ({}, "name", "missing", None, "text"),
        (
            {"name": "a", "extra": True},
            "extra",
            "unknown field",
            True,
            "one of: name, many, counts, nested, share",
        ),
        ({"name": "a", "many": 3}, "many", "wrong type", 3, "a list or null"),
        (
            {"name": "a", "many": [{"kind": "x"}, {"kind": "z"}]},
            "many[1].kind",
            "unknown value",
            "z",
            "one of: x, y",
        ),
        ({"name": "a", "many": [{}]}, "many[0].kind", "missing", None, "one of: x, y"),
        ({"name": "a", "many": [{"l": 1}]}, "many[0].l", "unknown field", 1, "one of: kind"),
        ({"name": "a", "counts": {"c": 1}}, "counts", "unknown name", "c", "one of: a, b"),
        ({"name": "a", "counts": {"b": "1"}}, "counts.b", "wrong type", "1", "a whole number"),
        ({"name": "a", "share": "x"}, "share", "wrong type", "x", "a number or null"),
        # Which of the outer keys it was is not said, and so not known.
        (
            {"name": "a", "nested": [{"k": {"l": "x"}}]},
            "nested[0][...][...]",
            "wrong type",
            "a value of type str",
            "a whole number",
        ),
        ([1], "body", "wrong type", "[1]", "an object"),
    ],
)  # fmt: skip
def test_the_problem_says_where_and_what_would_do(
    value: Any, where: str, problem: str, got: Any, expected: str
) -> None:
    expected_problem = Problem(where=where, problem=problem, got=got, expected=expected)
    assert refused(value) == expected_problem


def test_a_place_within_a_larger_whole_is_said_from_its_top() -> None:
    assert refused({"kind": 1}, Inner, "stages[2]").where == "stages[2].kind"
    assert refused([], Inner, "stages[2]").where == "stages[2]"


def test_where_nothing_is_taken_nothing_is_expected() -> None:
    assert refused({"a": 1}, Nothing, "params.noop") == Problem(
        where="params.noop.a", problem="unknown field", got=1, expected="no field"
    )


def test_a_long_list_is_not_repeated_in_full() -> None:
    assert len(refused({"name": [0] * 1000}).got) == 200


def told(value: Any, kind: Any = JobRequest) -> list[tuple[str, str, Any]]:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)
    return [(p.where, p.problem, p.got) for p in problems_of(caught.value, value, kind)]


def test_every_field_that_is_wrong_is_told() -> None:
    assert told({"priority": "5", "nope": 1, "goal": 3}) == [
        ("priority", "wrong type", "5"),
        ("nope", "unknown field", 1),
        ("goal", "wrong type", 3),
    ]
    assert told({"share": "x"}, Outer) == [
        ("share", "wrong type", "x"),
        ("name", "missing", None),
    ]
    assert told([1]) == [("body", "wrong type", "[1]")]


def test_a_label_that_is_wrong_is_told_by_its_name() -> None:
    long = "x" * 201
    labels = {"good": "a", "long": long, "a b": "c", "line\n": "d", "number": 1}
    assert told({"labels": labels}) == [
        ("labels.long", "not accepted", long),
        ("labels", "not a name", "a b"),
        ("labels", "not a name", "line\n"),
        ("labels.number", "wrong type", 1),
    ]
    ((where, problem, _),) = told({"labels": {f"l{i}": "x" for i in range(51)}})
    assert (where, problem) == ("labels", "not accepted")
