"""Triage: what the goal asks for, what the workload holds, and what can be answered with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.prices import unpriced_models
from netra.agents.selection import selections
from netra.agents.triaging.names import Resolved, resolve
from netra.agents.triaging.support import Support, Verdict
from netra.agents.triaging.survey import MAX_SESSIONS, Survey
from netra.catalog.agents import get
from netra.catalog.params import Params
from netra.errors import StageCancelled

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Of the sessions of an unanchored trace, so many have to begin with it to call times relative.
_RELATIVE_SHARE = 0.9
#: How many names of a column are listed.
_LISTED = 50
#: How many a sentence names.
_SHOWN = 8


def run(inputs: Inputs, params: Params, context: Context) -> StageResult:
    """Looks at every event once, and judges the goal by what is there."""
    wheres = selections(inputs.goal)
    # The number of an event's hashes says whether it has any.
    columns = ["prefix_hashes" if c == "prefix_blocks" else c for c in get("triage").columns]
    survey = Survey(columns, wheres)
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        survey.add(batch)
        done = survey.events / inputs.workload.events if inputs.workload.events else 1.0
        context.progress(min(done, 1.0), f"{survey.events:,} events looked at")
    resolved = resolve(inputs.goal, wheres, survey)
    unpriced = unpriced_models(inputs.supply, survey.models, _last_day(inputs, survey))
    support = Support(survey, inputs.workload.anchored, unpriced)
    return StageResult(content=_content(inputs, survey, resolved, support))


def _content(
    inputs: Inputs, survey: Survey, resolved: Resolved, support: Support
) -> dict[str, Any]:
    goal = resolved.goal
    scope = _scope(resolved)
    return {
        "goal": msgspec.json.decode(msgspec.json.encode(goal)),
        "goal_support": _goal_support(resolved, support),
        "support": {name: v.as_json() for name, v in support.levers().items()},
        "columns": {
            name: {"known": known, "share": survey.share(name)}
            for name, known in survey.known.items()
        },
        "span": _span(inputs, survey),
        "sessions": _sessions(inputs, survey),
        "names": {
            column: [{"name": n, "events": k} for n, k in names.most_common(_LISTED)]
            for column, names in survey.names.items()
        },
        "models": {"unpriced": dict(_largest(support.unpriced))},
        "scope": {"filter": scope, "events": resolved.events_of(scope) if scope else survey.events},
        "selections": [{"where": w, "events": n} for w, n in resolved.selections],
        "warnings": [*goal.assumptions, *resolved.warnings, *_warnings(inputs, survey, support)],
    }


def _goal_support(resolved: Resolved, support: Support) -> list[dict[str, Any]]:
    """One verdict for the question, each objective and each constraint."""
    goal = resolved.goal

    def entry(kind: str, index: int, metric: str | None, verdict: Verdict) -> dict[str, Any]:
        return {"kind": kind, "index": index, "metric": metric, **verdict.as_json()}

    found = [entry("question", 0, None, support.question(goal.question))]
    for i, objective in enumerate(goal.objectives):
        verdict = support.objective(objective, resolved)
        found.append(entry("objective", i, objective.metric, verdict))
    for i, constraint in enumerate(goal.constraints):
        verdict = support.constraint(constraint, resolved)
        found.append(entry("constraint", i, constraint.metric, verdict))
    return found


def _scope(resolved: Resolved) -> dict[str, Any]:
    """The part of the traffic that the whole goal is about; empty: all of it."""
    goal = resolved.goal
    wheres = [o.where for o in goal.objectives] or [c.where for c in goal.constraints]
    wheres = [w for w in (goal.about.get("where"),) if w] or wheres
    return dict(wheres[0]) if wheres and all(w == wheres[0] for w in wheres) else {}


def _span(inputs: Inputs, survey: Survey) -> dict[str, Any]:
    first, last = survey.first_us, survey.last_us
    if first is None or last is None:
        return {"events": 0, "anchored": inputs.workload.anchored}
    hours = (last - first) / 3_600_000_000
    return {
        "events": survey.events,
        "anchored": inputs.workload.anchored,
        "start": _iso(first) if inputs.workload.anchored else None,
        "end": _iso(last) if inputs.workload.anchored else None,
        "start_us": first,
        "end_us": last,
        "hours": hours,
        "days": hours / 24,
    }


def _largest(events: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(events.items(), key=lambda item: -item[1])[:_LISTED]


def _last_day(inputs: Inputs, survey: Survey) -> date | None:
    """The day of the last event; None for a trace without dates."""
    if survey.last_us is None or not inputs.workload.anchored:
        return None
    return (_EPOCH + timedelta(microseconds=survey.last_us)).date()


def _iso(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def _sessions(inputs: Inputs, survey: Survey) -> dict[str, Any]:
    """How many there are, and whether a backtest has to split by them rather than by time."""
    count, at_once = survey.sessions, survey.sessions_at_once
    relative = count > 1 and at_once >= _RELATIVE_SHARE * count and not inputs.workload.anchored
    return {
        "count": count,
        "at_least": count >= MAX_SESSIONS,
        "events": survey.known["session_id"],
        "begin_at_once": at_once,
        "split": "session" if relative else "time",
        "why": f"{at_once} of {count} sessions begin with the trace: their times are relative"
        if relative
        else "times are those of the traffic",
    }


def _warnings(inputs: Inputs, survey: Survey, support: Support) -> list[str]:
    warnings: list[str] = []
    if not inputs.workload.anchored:
        warnings.append("the trace has relative times: no calendar season or trend is claimed")
    if support.unpriced:
        listed = [f"{m} ({n:,} events)" for m, n in _largest(support.unpriced)[:_SHOWN]]
        more = len(support.unpriced) - len(listed)
        rest = f" and {more} more" if more else ""
        warnings.append(f"no price is known for: {', '.join(listed)}{rest}")
    tokens = [c for c in ("input_tokens", "output_tokens") if 0 < survey.share(c) < 1]
    warnings += [f"{c} is known on {survey.share(c):.1%} of events only" for c in tokens]
    return warnings
