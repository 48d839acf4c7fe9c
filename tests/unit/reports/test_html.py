"""The HTML report: whole, closed in itself, and deaf to hostile names."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec
import pytest

from netra.errors import InvalidInput
from netra.reports import render_html
from netra.schemas.report import Report, Section
from tests.unit.reports.sample import HOSTILE, METHODS, REPORT

_VOID = {"meta", "br", "hr", "img", "link", "input"}


class Reader(HTMLParser):
    """Checks that elements are closed in the order they were opened, and collects them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page() -> Reader:
    return read(render_html(REPORT))


def test_every_element_is_closed_and_ids_are_unique(page: Reader) -> None:
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert page.tags.count("svg") == 7  # six charts, and one before-and-after


def test_every_figure_shows_its_method(page: Reader) -> None:
    said = " ".join(page.said)
    assert [m for m in METHODS if m not in said] == []
    assert "n = 40" in said
    assert "90 % interval 70.0 % to 79.0 %" in said.replace("\u00a0", " ")


def test_what_is_missing_is_said(page: Reader) -> None:
    said = " ".join(page.said)
    assert "insufficient data" in said
    assert "needs cost_usd; cached_input_tokens" in said


def test_no_script_no_event_attribute_no_reference_outside(page: Reader) -> None:
    assert not {"script", "img", "iframe", "object", "link", "base", "form"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in {"src", "href", "action", "style"}, (tag, name, value)
        assert "://" not in (value or "")
    html = render_html(REPORT)
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src &#x27;none&#x27;" in html


def test_hostile_names_are_shown_as_text(page: Reader) -> None:
    html = render_html(REPORT)
    assert "<script" not in html
    assert "<img" not in html
    assert any(HOSTILE in said for said in page.said)


def test_control_characters_do_not_reach_the_file() -> None:
    report = msgspec.structs.replace(REPORT, answer="a\x00b\x1bc\ud800d\ne")
    html = render_html(report)
    assert "a\ufffdb\ufffdc\ufffdd\ne" in html
    html.encode("utf-8")


def test_a_report_without_anything_still_says_what_it_is() -> None:
    empty = Report(
        job_id="j", answer="Nothing.", headline=(), recommendations=(),
        profile={}, data_quality={}, method={},
    )  # fmt: skip
    said = " ".join(read(render_html(empty)).said)
    assert "No change is recommended" in said
    assert "Nothing." in said


def test_json_content_renders_as_the_struct_does() -> None:
    content = msgspec.json.decode(msgspec.json.encode(REPORT))
    assert render_html(content) == render_html(REPORT)


def test_a_loss_is_not_dressed_as_a_gain() -> None:
    rec = REPORT.recommendations[0]
    lost = msgspec.structs.replace(rec.backtest, value=-0.125, interval=(-0.2, -0.1))
    report = msgspec.structs.replace(
        REPORT, recommendations=(msgspec.structs.replace(rec, backtest=lost),)
    )
    html = render_html(report).replace("\u00a0", " ")
    assert "costs 12.5 % more" in html
    assert not re.search(r"saves [−-]", html)


def test_what_is_not_a_report_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        render_html({"job_id": 3})
    assert "report" in caught.value.errors[0].where


def test_a_finding_that_is_the_answer_is_said_once() -> None:
    section = Section(id="capacity", title="Serving capacity", says="Two are enough.")
    report = Report(job_id="j", answer="Two are enough.", headline=(), recommendations=(),
                    profile={}, data_quality={}, method={}, sections=(section,))  # fmt: skip
    assert render_html(report).count("Two are enough.") == 1
    other = msgspec.structs.replace(report, answer="Something else.")
    assert render_html(other).count("Two are enough.") == 1
    lacking = msgspec.structs.replace(section, status="insufficient_data")
    both = msgspec.structs.replace(report, sections=(lacking,))
    assert render_html(both).count("Two are enough.") == 2
