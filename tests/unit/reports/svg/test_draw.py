"""Charts: marks where the numbers are, gaps where there are none, nothing from nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from netra.reports.svg import draw
from netra.schemas.report import Chart


def chart(kind: str, *series: dict[str, Any], **more: Any) -> Chart:
    labels = {"x_label": "x", "y_label": "y", **more}
    return Chart(id="c", title="T", kind=kind, series=series, **labels)


def parsed(it: Chart) -> ET.Element:
    drawing = draw(it)
    assert drawing is not None
    return ET.fromstring(drawing)


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [e for e in root.iter() if name in e.get("class", "").split()]


def test_line_breaks_at_a_gap() -> None:
    root = parsed(chart("line", {"name": "a", "x": [1, 2, 3, 4], "y": [1, None, 3, 4]}))
    (line,) = of_class(root, "line")
    assert line.get("d", "").count("M") == 2
    assert len(of_class(root, "hit")) == 3


def test_step_goes_along_then_up() -> None:
    root = parsed(chart("step", {"name": "a", "x": [1, 2], "y": [1, 2]}))
    d = of_class(root, "line")[0].get("d", "")
    assert "H" in d
    assert "L" not in d


def test_larger_values_are_drawn_higher() -> None:
    root = parsed(chart("line", {"name": "a", "x": [1, 2], "y": [5, 10]}))
    low, high = (float(e.get("cy", "nan")) for e in of_class(root, "hit"))
    assert high < low


def test_every_point_says_its_value() -> None:
    it = chart("line", {"name": "a", "x": [1], "y": [0.25]}, y_label="Hits (share)")
    titles = [e.text for e in parsed(it).iter("title")]
    assert "a: 25.0\u00a0% at 1" in titles


def test_bars_are_as_long_as_their_values() -> None:
    root = parsed(chart("bar", {"name": "a", "x": ["p", "q", "r"], "y": [10, 20, None]}))
    widths = [float(e.get("width", "nan")) for e in of_class(root, "fill")]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)
    assert len(widths) == 2
    assert "no data" in [e.text for e in root.iter("text")]


def test_bars_of_two_series_share_their_names() -> None:
    root = parsed(
        chart(
            "bar",
            {"name": "a", "x": ["p", "q"], "y": [1, 2]},
            {"name": "b", "x": ["q"], "y": [3], "lower": [2], "upper": [4]},
        )
    )
    assert len(of_class(root, "name")) == 2
    assert len(of_class(root, "fill")) == 3
    assert len(of_class(root, "whisker")) == 1


def test_heatmap_marks_the_unknown() -> None:
    root = parsed(chart("heatmap", {"x": ["a", "b"], "y": ["r"], "z": [[1.0, None]]}))
    assert len(of_class(root, "unknown")) == 1
    shades = [float(e.get("fill-opacity", "nan")) for e in of_class(root, "cell")]
    assert all(0 < s <= 1 for s in shades)


def test_histogram_has_a_column_for_each_count_above_zero() -> None:
    root = parsed(chart("histogram", {"name": "a", "x": [0, 1, 2, 3], "y": [5, 0, 2]}))
    first, second = of_class(root, "fill")
    assert float(first.get("height", "0")) > float(second.get("height", "0"))


@pytest.mark.parametrize("kind", ["line", "step", "bar", "heatmap", "histogram"])
@pytest.mark.parametrize(
    "series",
    [
        (),
        ({"name": "a", "x": [], "y": []},),
        ({"name": "a", "x": [1, 2], "y": [None, None]},),
        ({"name": "a", "x": [1.0], "y": [float("nan")]},),
        ({"name": "a"},),
        ({"x": ["a"], "y": ["b"], "z": [[None]]},),
    ],
)
def test_nothing_is_drawn_from_nothing(kind: str, series: tuple[dict[str, Any], ...]) -> None:
    assert draw(chart(kind, *series)) is None


@pytest.mark.parametrize("kind", ["line", "step", "histogram"])
def test_log_axes_and_equal_values(kind: str) -> None:
    it = chart(kind, {"name": "a", "x": [7, 7], "y": [3, 3]}, x_scale="log", y_scale="log")
    assert parsed(it) is not None
