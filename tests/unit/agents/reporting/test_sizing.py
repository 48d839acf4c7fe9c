"""Reports that are too large are thinned, never cut off in the middle."""

from __future__ import annotations

import msgspec

from netra.agents.reporting.sizing import fit_size
from netra.schemas.figure import Figure
from netra.schemas.report import Chart, Report, Section


def report(points: int, rows: int, charts: int = 4) -> Report:
    line = {"name": "a", "x": list(range(points)), "y": [float(i) for i in range(points)]}
    bars = {"name": "b", "x": ["p", "q"], "y": [1.0, 2.0]}
    chart = Chart(id="c", title="t", kind="line", x_label="x", y_label="y", series=(line,))
    table = {"title": "t", "columns": [{"name": "n"}], "rows": [["x" * 100]] * rows}
    return Report(
        job_id="j",
        answer="a",
        headline=(Figure(value=1.0, unit="USD"),),
        recommendations=(),
        profile={"tables": [table] * 3, "figures": []},
        data_quality={},
        method={},
        charts=(*[chart] * charts, msgspec.structs.replace(chart, kind="bar", series=(bars,))),
    )


def size(it: Report) -> int:
    return len(msgspec.json.encode(it))


def test_what_fits_stays_as_it_is() -> None:
    small = report(points=50, rows=5)
    assert fit_size(small) == small


def test_lines_keep_their_ends_and_bars_all_of_theirs() -> None:
    thinned = fit_size(report(points=5000, rows=5), limit=60_000)
    assert size(thinned) <= 60_000
    line = thinned.charts[0].series[0]
    assert (line["x"][0], line["x"][-1]) == (0, 4999)
    assert len(line["x"]) == len(line["y"]) <= 400
    assert thinned.charts[-1].series[0]["x"] == ["p", "q"]


def test_tables_say_how_much_was_left_out() -> None:
    thinned = fit_size(report(points=10, rows=1000), limit=30_000)
    (table, *_) = thinned.profile["tables"]
    assert len(table["rows"]) < 1000
    assert table["note"] == f"the first {len(table['rows'])} of 1000 rows"
    assert size(thinned) <= 30_000


def test_figures_are_never_dropped() -> None:
    thinned = fit_size(report(points=5000, rows=1000, charts=20), limit=2_000)
    assert size(thinned) <= 2_000
    assert thinned.headline[0].value == 1.0


def test_sections_are_thinned_too() -> None:
    line = {"name": "a", "x": list(range(50_000)), "y": [0.123456] * 50_000}
    table = {"title": "t", "columns": [{"name": "n"}], "rows": [[i] for i in range(1000)]}
    chart = Chart(id="c", title="", kind="line", x_label="", y_label="", series=(line,))
    section = Section(id="s", title="S", says="", charts=(chart,), tables=(table,))
    whole = msgspec.structs.replace(report(1, 1), sections=(section,))
    (thinned,) = fit_size(whole).sections
    assert thinned.charts[0].series[0]["x"][-1] == 49_999
    assert len(thinned.charts[0].series[0]["x"]) <= 400
    assert thinned.tables[0]["note"] == "the first 40 of 1000 rows"
