"""The nine things that a user asks: each ends in a report that answers, or says what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from netra.client.api import Netra
from netra.embedded.info import StackInfo
from netra.ingest import generate
from netra.schemas.job import JobRequest
from tests.acceptance.figures import dishonest, figures

#: As users type them, with names of the generated workload; and what the report must speak of.
SCENARIOS = {
    "cut cost": (
        "Cut cost at equal quality. Feature support_chat may take 5 s, feature code-review must"
        " stay under 20 s."
    ),
    "faster tools": "Make the tools three times faster without spending more.",
    "growth": "Usage will grow by 50 %. What happens to cost and to our rate limits?",
    "one function": "Optimize function `summarize`.",
    "which model": "Would model gpt-4o or model gpt-4o-mini suit my workload?",
    "audit caching": "Audit our prompt caching.",
    "all together": "Cost −20 %, latency halved, usage +30 %, all together.",
    "tools' models": "Which of the agent's tools should switch model?",
    "upgrade": (
        "Was yesterday's model upgrade worth it? Roll back where cost rose and quality did not."
    ),
}


@pytest.fixture(scope="module")
def netra(stack: StackInfo) -> Iterator[Netra]:
    with Netra(stack.api_url, stack.api_key) as netra:
        yield netra


@pytest.fixture(scope="module")
def workload(netra: Netra, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("scenarios") / "generated.parquet"
    generate.write(path, 20_000, seed=7, days=21)
    return netra.workloads.create(path, name="scenarios").workload.id


@pytest.fixture(scope="module")
def reports(netra: Netra, workload: str) -> dict[str, dict[str, Any]]:
    """All nine, submitted at once."""
    jobs = {
        name: netra.jobs.submit(JobRequest(workload_id=workload, goal=goal)).id
        for name, goal in SCENARIOS.items()
    }
    for name, job in jobs.items():
        ended = netra.jobs.wait(job, within_s=250)
        assert ended.state == "succeeded", (name, [s.error for s in ended.stages or () if s.error])
    return {
        name: msgspec.json.decode(netra.jobs.report_text(job, "json")) for name, job in jobs.items()
    }


@pytest.mark.stack
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_report_answers_and_every_figure_is_honest(
    name: str, reports: dict[str, dict[str, Any]], workload: str
) -> None:
    report = reports[name]
    assert len(report["answer"]) > 40
    assert report["headline"]
    found = list(figures(report))
    assert len(found) > 5
    assert {path: why for path, figure in found if (why := dishonest(figure))} == {}
    for _, figure in found:
        if figure["source"]:
            assert figure["source"]["workload_id"] == workload


@pytest.mark.stack
def test_a_proposed_change_is_backtested(reports: dict[str, dict[str, Any]]) -> None:
    for report in reports.values():
        for recommendation in report["recommendations"]:
            assert recommendation["change"]["content"]
            assert recommendation["rollback"]
            assert recommendation["backtest"]["status"] in ("ok", "insufficient_data")
            if recommendation["backtest"]["status"] == "ok":
                assert recommendation["backtest"]["interval"] is not None
    assert reports["audit caching"]["recommendations"]


@pytest.mark.stack
@pytest.mark.parametrize("name", ["which model", "tools' models", "upgrade", "growth"])
def test_what_netra_cannot_answer_yet_is_said(
    name: str, reports: dict[str, dict[str, Any]]
) -> None:
    statuses = {figure["status"] for _, figure in figures(reports[name])}
    assert statuses & {"not_supported", "insufficient_data"}
