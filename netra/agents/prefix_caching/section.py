"""What the report says of prefix caches: the finding, its chart and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netra.agents.prefix_caching.memory import KvMemory
from netra.agents.prefix_caching.policies import NAMES, PolicyCurves
from netra.agents.profiling.sourced import Sourced
from netra.analysis.lru_curve import LruCurve
from netra.reports.formatting import format_value
from netra.schemas.figure import Figure
from netra.schemas.report import Chart, Mark, Section

COLUMNS = ("ts", "prefix_hashes")
#: Points of the LRU line in the chart.
_LRU_POINTS = 80
_REAL = ("lru", "lfu", "sieve", "s3fifo")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the section is made of."""

    curve: LruCurve
    found: PolicyCurves
    #: Capacity of the LRU curve's knee, blocks; None: it has none.
    knee: int | None
    #: Tokens of a block; None where prompts differ or do not say.
    block_tokens: int | None
    memory: KvMemory | None
    #: Why there is no memory though a model was given.
    memory_needs: tuple[str, ...]
    sourced: Sourced
    method: str


def section(of: Findings, places: Sequence[int], figures: Mapping[str, Figure]) -> Section:
    """The chapter `caching` of the report.

    Args:
        places: the capacities of the LRU line.
        figures: the hit ratios as figures, by name.
    """
    return Section(
        id="caching",
        title="Prefix caches",
        says=_says(of),
        figures=(*_knee_figures(of), *figures.values()),
        tables=(_table(of),),
        charts=(chart(of, places),),
    )


def _says(of: Findings) -> str:
    unlimited = of.curve.hit_ratio(of.curve.distinct)
    said = f"No prefix cache can hit more than {unlimited:.1%} of the block references"
    if of.knee is None:
        return f"{said}; the LRU curve has no knee."
    size = f"{of.knee:,} blocks"
    if of.block_tokens:
        size += f" ({format_value(of.knee * of.block_tokens, 'tokens')}"
        if of.memory:
            size += f", {of.memory.gib(of.knee):,.1f} GiB of KV memory for {of.memory.model}"
        size += ")"
    said += (
        f"; LRU hits {of.curve.hit_ratio(of.knee):.1%} with {size},"
        " the knee of its curve: beyond it more memory buys little"
    )
    if of.found.sizes:
        said += f". {_best_near_knee(of)}"
    return said + "."


def _best_near_knee(of: Findings) -> str:
    """Which policy does best near the knee, and what the best possible one would do."""
    knee = of.knee or 1
    at = min(range(len(of.found.sizes)), key=lambda i: abs(of.found.sizes[i] - knee))
    ratios = {policy: curve[at] for policy, curve in of.found.curves.items()}
    real = {p: r for p, r in ratios.items() if p in _REAL}
    size = f"At {of.found.sizes[at]:,} blocks"
    said = ""
    if len(real) > 1:
        best = max(real, key=lambda p: real[p])
        said = f"{size} the best policy to run is {NAMES[best]} ({real[best]:.1%}"
        said += f", LRU {real['lru']:.1%})" if "lru" in real and best != "lru" else ")"
    if "belady" in ratios:
        bound = f"no eviction policy can hit more than {ratios['belady']:.1%} there"
        said = f"{said}; {bound}" if said else f"{size} {bound}".replace(" there", "")
    return said


def _knee_figures(of: Findings) -> list[Figure]:
    if of.knee is None:
        return []
    n, make = of.curve.references, of.sourced
    how = (
        "the point of the exact LRU curve farthest above the chord from the origin to its end,"
        " both axes scaled to 1 (Kneedle)"
    )
    label = "Knee of the LRU curve"
    figures = [make.exact(label, of.knee, "blocks", n, how, *COLUMNS)]
    if of.memory:
        gib = of.memory.gib(of.knee)
        says = f"KV memory of a cache of {of.knee:,} blocks for {of.memory.model}"
        how = f"{of.memory.method}; {of.memory.source}"
        figures.append(make.exact(says, gib, "GiB", n, how, *COLUMNS, "block_tokens"))
    elif of.memory_needs:
        says = "KV memory of a cache at the knee"
        figures.append(make.missing(says, "GiB", of.memory_needs, *COLUMNS, "block_tokens"))
    return figures


def chart(of: Findings, places: Sequence[int]) -> Chart:
    """A line for each policy, the best possible one dashed, and the knee."""
    few = _thinned(places, _LRU_POINTS)
    series: list[dict[str, Any]] = [
        {"name": NAMES["lru"], "x": few, "y": of.curve.at(few).tolist()}
    ]
    for policy, ratios in of.found.curves.items():
        if policy == "lru":
            continue
        line: dict[str, Any] = {"name": NAMES[policy], "x": of.found.sizes, "y": ratios}
        series.append(line | {"style": "dashed"} if policy == "belady" else line)
    unlimited = of.curve.hit_ratio(of.curve.distinct)
    caption = f"No capacity hits more than {unlimited:.1%}: the rest are first references."
    if of.found.curve_rate < 1:
        caption += (
            f" LRU is exact; the other lines rest on {of.found.curve_rate:.2%} of the blocks"
            f" (LRU on that sample is off by at most {of.found.curve_error:.2%} points)."
        )
    marks = () if of.knee is None else (Mark(axis="x", at=of.knee, label=_knee_label(of)),)
    return Chart(
        id="caching-policies",
        title="Prefix cache: hit ratio by capacity and eviction policy",
        kind="line",
        x_label="capacity, blocks",
        y_label="block references that hit, share",
        x_scale="log",
        series=tuple(series),
        caption=caption,
        marks=marks,
    )


def _knee_label(of: Findings) -> str:
    memory = f", {of.memory.gib(of.knee or 0):,.0f} GiB" if of.memory else ""
    return f"knee: {of.knee:,} blocks{memory}"


def _table(of: Findings) -> dict[str, Any]:
    """Capacities as asked and the knee: in blocks, tokens and GiB, with each policy's ratio."""
    policies = list(of.found.asked)
    names = sorted(int(c) for c in next(iter(of.found.asked.values()), {}) if c != "unlimited")
    columns = [("capacity", "blocks")]
    if of.block_tokens:
        columns.append(("capacity in tokens", "tokens"))
    if of.memory:
        columns.append((f"KV memory, {of.memory.model}", "GiB"))
    columns += [(NAMES[p], "share") for p in policies]
    rows: list[list[Any]] = []
    for capacity in names:
        row: list[Any] = [capacity]
        if of.block_tokens:
            row.append(capacity * of.block_tokens)
        if of.memory:
            row.append(of.memory.gib(capacity))
        rows.append(row + [of.found.asked[p][str(capacity)] for p in policies])
    method = f"{of.method}; policies other than LRU by one replay for each capacity"
    if of.found.asked_rate < 1:
        method += f"; all but LRU {of.found.of_sample()}"
    return of.sourced.table(
        "caching-capacities",
        "Hit ratio by capacity and eviction policy",
        columns,
        rows,
        n=of.curve.references,
        method=method,
        reads=(*COLUMNS, "block_tokens"),
    )


def _thinned(places: Sequence[int], most: int) -> list[int]:
    step = max(1, len(places) // most)
    kept = list(places[::step])
    return kept if not places or kept[-1] == places[-1] else [*kept, places[-1]]
