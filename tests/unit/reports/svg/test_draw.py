"""Charts: marks where the numbers are, gaps where there are none, nothing from nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from netra.reports.svg import draw
from netra.schemas.report import Chart, Mark


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


class TestMarks:
    def marked(self, *marks: Mark, **more: Any) -> ET.Element:
        series = {"name": "a", "x": [0, 10], "y": [1, 2]}
        return parsed(chart("line", series, marks=marks, **more))

    def test_an_upright_line_stands_at_its_place(self) -> None:
        root = self.marked(Mark(axis="x", at=0, label="cut"), Mark(axis="x", at=5, label="chosen"))
        first, second = (float(e.get("x1", "nan")) for e in of_class(root, "reference"))
        dots = [float(e.get("cx", "nan")) for e in of_class(root, "hit")]
        assert first == dots[0]
        assert second == pytest.approx(sum(dots) / 2)
        assert [e.text for e in of_class(root, "reference-label")] == ["cut", "chosen"]

    def test_a_limit_above_all_points_is_inside_the_drawing(self) -> None:
        root = self.marked(Mark(axis="y", at=50, label="limit"))
        (line,) = of_class(root, "reference")
        highest = min(float(e.get("cy", "nan")) for e in of_class(root, "hit"))
        assert 0 < float(line.get("y1", "nan")) < highest

    def test_a_time_and_nonsense(self) -> None:
        xs = ["2026-11-01T00:00:00Z", "2026-11-01T10:00:00Z"]
        it = chart(
            "line",
            {"name": "a", "x": xs, "y": [1, 2]},
            marks=(
                Mark(axis="x", at="2026-11-01T05:00:00Z", label="now"),
                Mark(axis="x", at="soon", label="never"),
            ),
        )
        labels = [e.text for e in of_class(parsed(it), "reference-label")]
        assert labels == ["now"]

    def test_dots_have_no_line(self) -> None:
        root = parsed(chart("line", {"name": "a", "x": [1, 2], "y": [1, 2], "style": "dots"}))
        assert not of_class(root, "line")
        assert len(of_class(root, "fill")) == 2
