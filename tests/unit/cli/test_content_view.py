from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from netra.cli.content_view import render


def shown(content: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(render(content))
    return out.getvalue()


def figure(**given: Any) -> dict[str, Any]:
    known = {
        "label": "Median latency",
        "value": 1234.5,
        "unit": "ms",
        "interval": (1000.0, 1500.0),
        "n": 4321,
        "status": "ok",
        "needs": (),
    }
    return known | given


def test_figures_have_their_interval_or_what_they_need() -> None:
    text = shown(
        {
            "figures": {
                "a": figure(),
                "b": figure(value=None, interval=None, status="insufficient_data", needs=["ts"]),
                "c": figure(value=None, interval=None, status="not_supported"),
            }
        }
    )
    assert "1,234.50" in text
    assert "1,000.00 to 1,500.00" in text
    assert "4,321" in text
    assert "needs ts" in text
    assert "not_supported" in text
    assert "exact" not in text


def test_tables_of_both_kinds_are_cut_and_say_so() -> None:
    rows = [{"name": f"row {i}", "cost": {"none": i, "usd": None}, "parts": [1]} for i in range(25)]
    titled = {"title": "Usage", "columns": [{"name": "model"}], "rows": [["large"]]}
    text = shown({"by_model": rows, "tables": [titled], "charts": [{"id": "x"}]})
    assert "cost.none" in text
    assert "row 19" in text
    assert "row 20" not in text
    assert "and 5 more rows" in text
    assert "Usage" in text
    assert "large" in text
    assert "parts" not in text
    assert "charts" not in text


def test_an_answer_that_is_missing_is_plain() -> None:
    text = shown({"status": "insufficient_data", "detail": "no hashes", "needs": ["a", "b"]})
    assert "no hashes" in text
    assert "a, b" in text
