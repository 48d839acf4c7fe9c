"""The answer: two or three sentences that somebody reads who reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from netra.agents.reporting.recommending import Tested
from netra.reports.formatting import format_count, format_interval, format_value
from netra.schemas.figure import Figure
from netra.schemas.report import Section

#: How many missing things a sentence names.
_NAMED = 4


def answer(
    tested: Sequence[Tested],
    plan: Mapping[str, Any],
    profile: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    leading: Sequence[Section] = (),
) -> str:
    """What to do and what it brings, what of the goal is met, and what cannot be said."""
    asked = [str(i["note"]) for i in items if i["kind"] == "question" and i["note"]]
    found = [*asked, *(_lever_sentences(t) for t in tested)]
    if not found and plan:
        found = [_nothing_to_do(plan, profile)]
    found += [s.says for s in leading]
    if not found:
        found = [_nothing_to_do(plan, profile)]
    return " ".join(s for s in (*found, _goal_sentence(items)) if s)


def _lever_sentences(tested: Tested) -> str:
    share = tested.share()
    if tested.refuted:
        return _refuted(tested, share)
    if share.status != "ok" or share.value is None:
        needs = _listed(share.needs)
        return (
            f"{tested.lever['title']}: chosen, but it could not be backtested; that needs {needs}."
        )
    before, after = tested.figure("baseline"), tested.figure("projected")
    entry = tested.entries[0]
    blocks = entry.get("blocks") or {}
    seen = f"{format_count(blocks['n'])} {blocks['kind']}" if blocks else "traffic"
    condition = f", if {tested.assumption()}" if tested.assumption() else ""
    money = before.unit == "USD"
    what = "cost at list prices falls" if money else f"the prompt {before.unit} to compute fall"
    said = (
        f"{tested.lever['title']}. On {seen} that the choice has not seen, {what} from"
        f" {_written(before)} to {_written(after)}, by {_written(share)}{_between(share)}"
        f"{condition}."
    )
    return " ".join([said, *_other_assumptions(tested)])


def _other_assumptions(tested: Tested) -> list[str]:
    """The same choice, if something else is true of today."""
    if len(tested.entries) < 2:
        return []
    parts: list[str] = []
    for i in range(1, len(tested.entries)):
        share = tested.share(i)
        if share.value is None:
            continue
        saves = _written(share) + _between(share) if abs(share.value) > 1e-9 else "nothing"
        parts.append(f"{saves} if {tested.assumption(i)}")
    why = "The trace does not say what is paid today"
    return [f"{why}: the change saves {' and '.join(parts)}."] if parts else []


def _refuted(tested: Tested, share: Figure) -> str:
    return (
        f"{tested.lever['title']} looked cheaper on the first part of the traffic, but on the part"
        f" that the choice has not seen it changes cost by {_change(share)}"
        f"{_between_change(share)}: it is not recommended."
    )


def _nothing_to_do(plan: Mapping[str, Any], profile: Mapping[str, Any]) -> str:
    """Why nothing is recommended, and what is known all the same."""
    levers = plan.get("levers", [])
    kept = [str(lever["reason"]) for lever in levers if lever["status"] == "keep"]
    if kept:
        return " ".join(["No change is recommended.", *kept])
    needs = [n for lever in levers for n in lever["needs"]] or list(plan.get("needs", ()))
    known = _known(profile)
    if not levers and not plan:
        return known
    lacks = f"it lacks {_listed(needs)}" if needs else "no lever applies to it"
    return f"No change can be computed from this workload: {lacks}. {known}".strip()


def _known(profile: Mapping[str, Any]) -> str:
    """Requests, tokens and cost in a sentence."""
    parts: list[str] = []
    for name in ("requests", "input_tokens", "output_tokens", "cost_recorded", "cost_list"):
        raw = profile.get("figures", {}).get(name)
        figure = msgspec.convert(raw, Figure) if raw else None
        if figure is None or figure.value is None:
            continue
        text = format_value(figure.value, figure.unit)
        parts.append({"input_tokens": f"{text} of input", "output_tokens": f"{text} of output",
                      "cost_recorded": f"{text} of recorded cost",
                      "cost_list": f"{text} at list prices"}.get(name, text))  # fmt: skip
    return f"It holds {', '.join(parts)}." if parts else ""


def _goal_sentence(items: Sequence[Mapping[str, Any]]) -> str:
    """What is met, what is not, what cannot be said."""
    words = {
        "met": "Met",
        "not_met": "Not met",
        "given": "Taken as given",
        "insufficient_data": "Cannot be said from this workload",
        "not_supported": "Not supported yet",
    }
    parts: list[str] = []
    for status, word in words.items():
        named = [_named(i) for i in items if i["status"] == status and i["kind"] != "question"]
        if named:
            parts.append(f"{word}: {'; '.join(named)}.")
    return " ".join(parts)


def _named(item: Mapping[str, Any]) -> str:
    """The objective or constraint, with what it lacks or what its verdict rests on."""
    if item["needs"]:
        return f"{item['text']} (needs {_listed(item['needs'])})"
    return f"{item['text']} ({item['basis']})" if item.get("basis") else item["text"]


def _listed(needs: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(needs))
    more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
    return (", ".join(distinct[:_NAMED]) or "more traffic") + more


def _written(figure: Figure) -> str:
    return format_value(figure.value, figure.unit)


def _between(figure: Figure) -> str:
    if figure.interval is None:
        return ""
    level = format_value(figure.level, "share").replace(".0", "")
    return f" ({level} interval {format_interval(*figure.interval, figure.unit)})"


def _change(share: Figure) -> str:
    change = -(share.value or 0.0)
    return ("+" if change > 0 else "") + format_value(change, "share")


def _between_change(share: Figure) -> str:
    if share.interval is None:
        return ""
    flipped = msgspec.structs.replace(share, interval=(-share.interval[1], -share.interval[0]))
    return _between(flipped)
