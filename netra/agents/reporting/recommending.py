"""Recommendations: the plan's levers that hold on traffic which the plan has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from netra.schemas.figure import Figure, missing
from netra.schemas.report import Change, Recommendation


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A proposed lever and what the backtest says of it, one entry for each assumption of today."""

    lever: Mapping[str, Any]
    entries: Sequence[Mapping[str, Any]]

    def share(self, i: int = 0) -> Figure:
        """The share saved on the verify part, under assumption `i`."""
        if i < len(self.entries):
            return msgspec.convert(self.entries[i]["saving_share"], Figure)
        return missing("a backtest stage after the plan", unit="share", label="Saved")

    def figure(self, name: str, i: int = 0) -> Figure:
        """`baseline`, `projected` or `saving` on the verify part."""
        if i < len(self.entries):
            return msgspec.convert(self.entries[i][name], Figure)
        return missing("a backtest stage after the plan", unit="USD", label=name)

    def assumption(self, i: int = 0) -> str:
        """What is assumed of today; empty where it is known."""
        assumed = self.entries[i].get("assumed") if i < len(self.entries) else None
        return assumed["text"] if assumed else ""

    @property
    def refuted(self) -> bool:
        """The saving of the fit part is not there on unseen traffic."""
        share = self.share()
        low = share.interval[0] if share.interval else share.value
        return share.status == "ok" and low is not None and low <= 0


def tested_levers(plan: Mapping[str, Any], backtest: Mapping[str, Any]) -> list[Tested]:
    """The levers that the plan proposes, in its order."""
    entries = backtest.get("levers", [])
    return [
        Tested(lever=lever, entries=[e for e in entries if e["lever"] == lever["lever"]])
        for lever in plan.get("levers", [])
        if lever["status"] == "proposed"
    ]


def recommendations(
    tested: Sequence[Tested], plan: Mapping[str, Any]
) -> tuple[Recommendation, ...]:
    """One for each lever that was not refuted; a lever that could not be tested says so."""
    return tuple(_recommendation(t, plan) for t in tested if not t.refuted)


def _recommendation(tested: Tested, plan: Mapping[str, Any]) -> Recommendation:
    lever = tested.lever
    condition = f", if {tested.assumption()}" if tested.assumption() else ""
    backtest = msgspec.structs.replace(
        tested.share(), label=f"Saved on traffic that the plan has not seen{condition}"
    )
    others = tuple(
        msgspec.structs.replace(tested.share(i), label=f"Saved, if {tested.assumption(i)}")
        for i in range(1, len(tested.entries))
    )
    options = tuple(msgspec.convert(o, Figure) for o in lever.get("options", ()))
    return Recommendation(
        id=lever["lever"],
        lever=lever["lever"],
        title=lever["title"],
        baseline=_on_condition(tested.figure("baseline"), condition),
        projected=tested.figure("projected"),
        saving=_on_condition(_where_chosen(tested, plan), condition),
        backtest=backtest,
        evidence=(_on_condition(tested.figure("saving"), condition), *others, *options),
        change=msgspec.convert(lever["change"], Change),
        rollback=lever["rollback"],
        risk=lever["risk"],
        effort=lever["effort"],
    )


def _on_condition(figure: Figure, condition: str) -> Figure:
    """The figure with what is assumed of today in its name: without that it promises too much."""
    return msgspec.structs.replace(figure, label=f"{figure.label}{condition}")


def _where_chosen(tested: Tested, plan: Mapping[str, Any]) -> Figure:
    """The saving on the fit part: what the choice was made by, and better than can be hoped for."""
    label = "Saved where it was chosen (not a forecast)"
    if tested.lever["lever"] == "prefix_caching":
        ratio = msgspec.convert(tested.lever["options"][0], Figure)
        return msgspec.structs.replace(ratio, label=label)
    for scope in plan.get("scopes", ()):
        if scope["where"] == plan.get("scope", {}) and scope["savings"]:
            share = msgspec.convert(scope["savings"][0]["saving_share"], Figure)
            return msgspec.structs.replace(share, label=label)
    return missing("a cost on the fit part", unit="share", label=label)
