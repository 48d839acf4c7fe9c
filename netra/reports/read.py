"""A report as it is stored (JSON) and as it is rendered (a struct)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from netra.errors import InvalidInput
from netra.schemas.figure import Figure
from netra.schemas.report import Report
from netra.validation import problem_of


def as_report(report: Report | Mapping[str, Any]) -> Report:
    """The report itself, or the one that a stage's JSON content holds.

    Raises:
        InvalidInput: the content is not a report; says where it departs from the schema.
    """
    if isinstance(report, Report):
        return report
    try:
        return msgspec.convert(report, Report)
    except msgspec.ValidationError as e:
        problem = problem_of(e, report, Report, "report")
        raise InvalidInput("this is not the content of a report stage", [problem]) from e


def as_figure(value: Any) -> Figure | None:
    """The figure that this JSON object is, or None if it is something else."""
    if isinstance(value, Figure):
        return value
    if not (isinstance(value, Mapping) and "value" in value and "unit" in value):
        return None
    try:
        return msgspec.convert(value, Figure)
    except msgspec.ValidationError:
        return None


def render_json(report: Report | Mapping[str, Any]) -> str:
    """The report as indented JSON, fields in the schema's order."""
    return msgspec.json.format(msgspec.json.encode(as_report(report)), indent=2).decode()
