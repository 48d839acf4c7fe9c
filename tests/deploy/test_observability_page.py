"""docs/observability.md says of metrics and alerts what the code says."""

from __future__ import annotations

import re

from netra.metrics import exported
from netra.settings import load
from tests.deploy.monitoring.artefacts import alerts
from tests.deploy.tools import ROOT

PAGE = (ROOT / "docs" / "observability.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, header left out."""
    below = PAGE.partition(f"## {heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table is not None
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    told = {names(name)[0]: (kind, names(labels)) for name, kind, labels, _ in rows("Metrics")}
    assert told == {m.name: (m.kind, m.labels) for m in exported()}


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    told = [(names(name)[0], severity) for name, severity, _ in rows("Dashboards and alerts")]
    there = [(alert["alert"], alert["labels"]["severity"]) for alert in alerts()]
    assert told == there


def test_the_figures_are_those_of_the_settings() -> None:
    settings = load({"NETRA_ENV": "production"}).metrics
    assert f"{settings.port} in\nKubernetes" in PAGE
    assert f"the {settings.tenants} with the longest queues" in PAGE
