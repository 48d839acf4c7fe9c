"""What `netra analyze` found, as a report of one chapter in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from netra import __version__
from netra.agents.reporting.chapters import chapter_of
from netra.errors import InvalidInput, Problem
from netra.reports import render_html, render_json, render_markdown
from netra.schemas.report import Recommendation, Report

_RENDERERS: dict[str, Callable[[Report], str]] = {
    ".html": render_html,
    ".md": render_markdown,
    ".json": render_json,
}


def renderer_of(out: Path) -> Callable[[Report], str]:
    """What writes the format that the file's ending names.

    Raises:
        InvalidInput: the ending is not known.
    """
    if renderer := _RENDERERS.get(out.suffix.lower()):
        return renderer
    problem = Problem(
        where="--out", problem="unknown ending", got=out.name, expected=", ".join(_RENDERERS)
    )
    raise InvalidInput(f"cannot tell the format of {out.name}", [problem])


def write_finding(out: Path, agent: str, source: str, content: Mapping[str, Any]) -> None:
    """Writes the agent's chapter to `out`, in the format that its ending names.

    Raises:
        InvalidInput: the ending is not known, the agent has no chapter, or the file cannot be
            written.
    """
    text = renderer_of(out)(_report(agent, source, content))
    try:
        out.write_text(text)
    except OSError as e:
        raise InvalidInput(f"cannot write {out}: {e.strerror}") from e


def _report(agent: str, source: str, content: Mapping[str, Any]) -> Report:
    section = chapter_of(agent, content)
    if section is None:
        problem = Problem(where="--out", problem="has no chapter in reports", got=agent)
        raise InvalidInput(f"what {agent} finds is no chapter; use --json", [problem])
    return Report(
        job_id="none: netra analyze",
        answer=section.says,
        headline=tuple(f for f in section.figures if f.status == "ok")[:4],
        recommendations=msgspec.convert(
            content.get("recommendations", ()), tuple[Recommendation, ...]
        ),
        profile={},
        data_quality={},
        method={"about": [f"{agent} on {source}"], "netra": __version__},
        # Its finding is the answer, and stands at the top.
        sections=(msgspec.structs.replace(section, says=""),),
        goal={"text": f"{section.title}: {source}"},
    )
