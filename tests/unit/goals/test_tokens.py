from __future__ import annotations

import pytest

from netra.goals.quantity import read_quantity
from netra.goals.tokens import tokenise


@pytest.mark.parametrize(
    ("text", "value", "unit", "sign"),
    [
        ("20 %", 0.2, "share", ""),
        ("−20 %", 0.2, "share", "-"),
        ("- 20%", 0.2, "share", "-"),
        ("+30 %", 0.3, "share", "+"),
        ("20 per cent", 0.2, "share", ""),
        ("1,500 ms", 1500, "ms", ""),
        ("1,234,567.5 ms", 1234567.5, "ms", ""),
        ("1\u202f500 ms", 1500, "ms", ""),
        ("0,5 s", 500, "ms", ""),
        ("0.5s", 500, "ms", ""),
        (".5 s", 500, "ms", ""),
        ("2 min", 120000, "ms", ""),
        ("3x", 3, "times", ""),
        ("×3", 3, "times", ""),
        ("x 1.5", 1.5, "times", ""),
        ("tenfold", 10, "times", ""),
        ("twice", 2, "times", ""),
        ("a fifth", 0.2, "fraction", ""),
        ("two thirds", 2 / 3, "fraction", ""),
        ("1/4", 0.25, "fraction", ""),
        ("$5k", 5000, "usd", ""),
        ("$1,250.50", 1250.5, "usd", ""),
        ("500 dollars", 500, "usd", ""),
        ("twenty five percent", 0.25, "share", ""),
    ],
)
def test_quantities(text, value, unit, sign):
    tokens = tokenise(text)
    read = read_quantity(tokens, 0)
    assert read is not None
    quantity, end = read
    assert quantity.value == pytest.approx(value)
    assert (quantity.unit, quantity.sign, end) == (unit, sign, len(tokens))


def test_names_keep_their_dashes_and_a_glued_sign_is_a_sign():
    assert [t.text for t in tokenise("gpt-4o-mini cost-20%")] == ["gpt-4o-mini", "cost", "-20", "%"]


def test_quotes_keep_what_they_hold_and_apostrophes_are_no_quotes():
    tokens = tokenise("the agent's `search. docs` tool")
    assert [(t.kind, t.text) for t in tokens][2] == ("quoted", "search. docs")
    assert tokens[1].text == "agent's"
