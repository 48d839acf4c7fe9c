"""The Markdown report: the same figures, and names that stay text."""

from __future__ import annotations

import msgspec

from netra.reports import render_json, render_markdown
from netra.reports.markdown import escape
from netra.schemas.report import Report, Section
from tests.unit.reports.sample import METHODS, REPORT


def test_every_figure_shows_its_method() -> None:
    text = render_markdown(REPORT)
    in_text = [m for m in METHODS if m in text]
    # A cell of a table is one line: its method is in the JSON and HTML.
    assert set(METHODS) - set(in_text) == {"METHOD-cell"}


def test_hostile_names_are_escaped() -> None:
    text = render_markdown(REPORT)
    assert "<script" not in text.replace("\\<script", "")
    assert r"\<script\>" in text


def test_the_code_fence_is_longer_than_any_inside() -> None:
    text = render_markdown(REPORT)
    assert '````json\n{"ttl": "1h", "fence": "```"}\n````' in text


def test_tables_keep_their_columns() -> None:
    lines = render_markdown(REPORT).splitlines()
    rows = [line for line in lines if line.startswith("| plain")]
    assert rows == ["| plain | unknown |"]
    assert "|---|---:|" in lines


def test_escape_keeps_one_line() -> None:
    assert escape("a|b\n# c `d`") == r"a\|b \# c \`d\`"


def test_json_round_trip() -> None:
    assert msgspec.json.decode(render_json(REPORT)) == msgspec.json.decode(
        msgspec.json.encode(REPORT)
    )


def test_a_finding_that_is_the_answer_is_said_once() -> None:
    section = Section(id="capacity", title="Serving capacity", says="Two are enough.")
    report = Report(job_id="j", answer="Two are enough.", headline=(), recommendations=(),
                    profile={}, data_quality={}, method={}, sections=(section,))  # fmt: skip
    assert render_markdown(report).count("Two are enough.") == 1
    other = msgspec.structs.replace(report, answer="Something else.")
    assert render_markdown(other).count("Two are enough.") == 1
    lacking = msgspec.structs.replace(section, status="insufficient_data")
    both = msgspec.structs.replace(report, sections=(lacking,))
    assert render_markdown(both).count("Two are enough.") == 2
