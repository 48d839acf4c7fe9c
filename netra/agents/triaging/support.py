"""Judges what a workload can answer: which agents have what they need, which parts of the goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netra.agents.planning.parts import SHORTEST_BLOCK_S
from netra.agents.selection import in_words
from netra.agents.triaging.names import Resolved
from netra.agents.triaging.survey import Survey
from netra.analysis.bootstrap import MIN_BLOCKS
from netra.schemas.figure import Status
from netra.schemas.goal import Constraint, Objective

#: The share of the traffic that a backtest verifies on.
_VERIFY_SHARE = 0.3
#: What each metric is computed from.
METRIC_COLUMNS = {
    "cost": ("model", "input_tokens", "output_tokens"),
    "latency": ("latency_ms",),
    "ttft": ("ttft_ms",),
    "quality": ("quality",),
    "error_rate": ("status",),
    "usage": (),
}
#: What Netra has an agent for, as objectives.
_LEVERS_FOR = {"cost"}
_QUESTIONS = {"optimize", "audit_caching"}


@dataclass(frozen=True)
class Verdict:
    """Whether something can be answered."""

    status: Status = "ok"
    needs: tuple[str, ...] = ()
    #: What limits an answer that can be given, or why there is none.
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"status": self.status, "needs": list(self.needs), "note": self.note}


@dataclass
class Support:
    """The verdicts on one workload."""

    survey: Survey
    anchored: bool
    #: Models without a price, with how many events they served.
    unpriced: Mapping[str, int] = field(default_factory=dict)

    def levers(self) -> dict[str, Verdict]:
        """By agent name (and `cost`, which several need)."""
        cost = self.cost()
        caching = self._columns("prefix_hashes")
        prompt_cache = self._prompt_cache(cost)
        any_lever = "ok" in (caching.status, prompt_cache.status)
        needs = tuple(dict.fromkeys([*caching.needs, *prompt_cache.needs]))
        plan = Verdict() if any_lever else Verdict("insufficient_data", needs)
        return {
            "profile": Verdict() if self.survey.events else self._columns("ts"),
            "cost": cost,
            "caching": caching,
            "prompt-cache": prompt_cache,
            "plan": plan,
            "backtest": self._backtest(plan),
        }

    def cost(self) -> Verdict:
        """Cost at list prices."""
        columns = self._columns(*METRIC_COLUMNS["cost"])
        if columns.status != "ok":
            return columns
        served = self.survey.known["model"]
        unpriced = sum(self.unpriced.values())
        models = _some(sorted(self.unpriced))
        if unpriced >= served:
            need = f"a price in the supply catalog for {models}"
            return Verdict("insufficient_data", (need,))
        note = columns.note
        if unpriced:
            left_out = f"{unpriced} of {served} events are of models without a price ({models})"
            note = "; ".join(filter(None, [note, left_out]))
        return Verdict(note=note)

    def objective(self, objective: Objective, resolved: Resolved) -> Verdict:
        family = _family(objective.metric)
        data = self._selected(objective.where, resolved) or self._metric(family)
        if family not in _LEVERS_FOR:
            what = "usage" if family == "usage" else objective.metric
            return Verdict("not_supported", note=f"no agent proposes changes of {what} yet")
        return data

    def constraint(self, constraint: Constraint, resolved: Resolved) -> Verdict:
        data = self._selected(constraint.where, resolved)
        return data or self._metric(_family(constraint.metric))

    def question(self, question: str) -> Verdict:
        if question in _QUESTIONS:
            return Verdict()
        return Verdict("not_supported", note=f"no agent answers {question!r} questions yet")

    def _metric(self, family: str) -> Verdict:
        return self.cost() if family == "cost" else self._columns(*METRIC_COLUMNS[family])

    def _columns(self, *names: str) -> Verdict:
        """Whether every column is known on some event; says where it is known on a part."""
        if not self.survey.events:
            return Verdict("insufficient_data", ("events",))
        absent = tuple(n for n in names if not self.survey.known.get(n))
        if absent:
            return Verdict("insufficient_data", absent)
        partly = [f"{n} is known on {self.survey.share(n):.1%} of events" for n in names]
        partly = [text for n, text in zip(names, partly, strict=True) if self.survey.share(n) < 1]
        return Verdict(note="; ".join(partly))

    def _selected(self, where: Mapping[str, Any], resolved: Resolved) -> Verdict | None:
        if not where or resolved.events_of(where):
            return None
        return Verdict("insufficient_data", (f"events with {in_words(where)}",))

    def _prompt_cache(self, cost: Verdict) -> Verdict:
        columns = self._columns("prefix_hashes", "block_tokens", "session_id")
        needs = tuple(dict.fromkeys([*columns.needs, *cost.needs]))
        if needs:
            return Verdict("insufficient_data", needs)
        return Verdict(note="; ".join(filter(None, [columns.note, cost.note])))

    def _backtest(self, plan: Verdict) -> Verdict:
        if plan.status != "ok":
            return plan
        # The backtest takes sessions, or the longest stretches of time that are enough blocks.
        least = round(MIN_BLOCKS / _VERIFY_SHARE) + 1
        least_s = least * SHORTEST_BLOCK_S
        first, last = self.survey.first_us or 0, self.survey.last_us or 0
        seconds = (last - first) / 1_000_000
        events, sessions = self.survey.events, self.survey.sessions
        if events >= least and (seconds >= least_s or sessions >= least):
            return Verdict()
        need = (
            f"at least {least} requests (there are {events}) over {least_s} seconds or more"
            f" (there are {seconds:.0f}) or in {least} sessions (there are {sessions}):"
            f" {MIN_BLOCKS} blocks to verify on"
        )
        return Verdict("insufficient_data", (need,))


def _some(names: Sequence[str], shown: int = 8) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _family(metric: str) -> str:
    return metric.split("_")[0] if metric.startswith(("latency", "ttft")) else metric
