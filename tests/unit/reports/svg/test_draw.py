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

    @pytest.mark.parametrize("top", [0.5, 1.2, 5.0, 300.0])
    def test_labels_of_close_levels_step_apart_and_keep_to_their_own_line(self, top: float) -> None:
        root = parsed(
            chart(
                "line",
                {"name": "a", "x": [0, 10], "y": [0.01, top]},
                y_label="Used (share)",
                y_scale="log",
                marks=(
                    Mark(axis="y", at=0.9, label="limit less margin"),
                    Mark(axis="y", at=1.0, label="limit"),
                ),
            )
        )
        lines = sorted(float(e.get("y1", "nan")) for e in of_class(root, "reference"))
        labels = {e.text: float(e.get("y", "nan")) for e in of_class(root, "reference-label")}
        assert lines[1] - lines[0] < 14
        assert abs(labels["limit"] - labels["limit less margin"]) >= 11
        for text, own in (("limit", lines[0]), ("limit less margin", lines[1])):
            assert abs(labels[text] - own) <= 12
            assert not any(labels[text] - 9 < line < labels[text] for line in lines)

    def test_a_level_keeps_clear_of_an_upright_label(self) -> None:
        root = self.marked(
            Mark(axis="x", at=10, label="chosen"), Mark(axis="y", at=2, label="limit")
        )
        upright, level = of_class(root, "reference-label")
        assert upright.get("text-anchor") == "end"
        assert level.get("text-anchor") == "start"

    def test_a_mark_hides_no_series_and_no_series_its_label(self) -> None:
        root = self.marked(Mark(axis="y", at=2, label="limit"))
        drawn = [e.get("class", "") for e in root.iter()]
        assert drawn.index("reference") < drawn.index("line s1") < drawn.index("reference-label")

    def test_dots_have_no_line(self) -> None:
        root = parsed(chart("line", {"name": "a", "x": [1, 2], "y": [1, 2], "style": "dots"}))
        assert not of_class(root, "line")
        assert len(of_class(root, "fill")) == 2


def test_a_point_says_its_name() -> None:
    it = chart("line", {"name": "a", "x": [1, 2], "y": [3, 4], "names": ["2 x l4", "1 x h100"]})
    titles = [e.text for e in parsed(it).iter("title")]
    assert titles[1:] == ["a: 3 at 1: 2 x l4", "a: 4 at 2: 1 x h100"]


def test_a_logarithmic_axis_says_so_and_a_linear_one_does_not() -> None:
    it = chart("line", {"name": "a", "x": [1, 2], "y": [1, 100]}, y_label="Used (share)",
               x_label="Cost", y_scale="log")  # fmt: skip
    titles = [e.text for e in of_class(parsed(it), "axis-title")]
    assert titles == ["Used, log scale", "Cost"]


def test_ticks_in_per_cent_have_room() -> None:
    it = chart("line", {"name": "a", "x": [1, 2], "y": [0.6, 2]}, y_label="Used (share)",
               y_scale="log")  # fmt: skip
    root = parsed(it)
    at = next(float(e.get("x", "nan")) for e in of_class(root, "tick") if e.text == "200%")
    # The widths of 11.5 px Helvetica, with some to spare: 6.7 a digit, 10.7 the sign.
    assert at - (3 * 6.7 + 10.7) >= 2


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_counts_have_no_tick_between_whole_numbers(most: int) -> None:
    root = parsed(chart("step", {"name": "a", "x": [1, 2, 3], "y": [1, most, most]}))
    ticks = [e.text for e in of_class(root, "tick")]
    assert str(most) in ticks
    assert not any("." in (t or "") for t in ticks)


def test_a_line_upon_another_is_dashed() -> None:
    same = {"x": [1, 2], "y": [3, 4]}
    root = parsed(chart("step", {"name": "a", **same}, {"name": "b", **same}))
    first, second = of_class(root, "line")
    assert "dashed" not in first.get("class", "")
    assert "dashed" in second.get("class", "")
