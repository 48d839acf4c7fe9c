"""What the report says of prefix caches: the finding, its chart and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from netra.agents.prefix_caching.memory import KvMemory
from netra.agents.prefix_caching.policies import NAMES, PolicyCurves
from netra.agents.profiling.sourced import Sourced
from netra.analysis.lru_curve import LruCurve
from netra.reports.formatting import format_share, format_value
from netra.schemas.figure import Figure
from netra.schemas.report import Chart, Mark, Section

COLUMNS = ("ts", "prefix_hashes")
#: Points of the LRU line in the chart.
_LRU_POINTS = 80
#: Lines closer than this are one on paper.
_SAME_LINE = 0.002
#: What one can run.
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


def section(of: Findings, places: Sequence[int]) -> Section:
    """The chapter `caching` of the report; `places` are the capacities of the LRU line."""
    return Section(
        id="caching",
        title="Prefix caches",
        says=_says(of),
        figures=tuple(_knee_figures(of)),
        tables=(_table(of),),
        charts=(chart(of, places),),
    )


def _says(of: Findings) -> str:
    unlimited = of.curve.hit_ratio(of.curve.distinct)
    said = f"No prefix cache can hit more than {format_share(unlimited)} of the block references"
    if of.knee is None:
        return f"{said}; the LRU curve has no knee."
    size = f"{of.knee:,} blocks"
    if of.block_tokens:
        size += f" ({format_value(of.knee * of.block_tokens, 'tokens')}"
        if of.memory:
            size += f", {of.memory.gib(of.knee):,.1f} GiB of KV memory for {of.memory.model}"
        size += ")"
    said += (
        f"; LRU hits {format_share(of.curve.hit_ratio(of.knee))} with {size},"
        " the knee of its curve: beyond it more memory buys little"
    )
    best = _best_at_knee(of, of.knee) if of.found.sizes else ""
    return f"{said}. {best}." if best else f"{said}."


def _best_at_knee(of: Findings, knee: int) -> str:
    """Which policy does best at the knee, and what the best possible one would do."""
    at = of.found.sizes.index(knee)
    ratios = {policy: curve[at] for policy, curve in of.found.curves.items()}
    real = {p: r for p, r in ratios.items() if p in _REAL}
    said: list[str] = []
    if len(real) > 1:
        best = max(real, key=lambda p: real[p])
        others = ", ".join(f"{NAMES[p]} {format_share(r)}" for p, r in real.items() if p != best)
        said.append(
            f"of the policies to run {NAMES[best]} hits most ({format_share(real[best])}; {others})"
        )
    if "belady" in ratios:
        said.append(f"no policy at all can hit more than {format_share(ratios['belady'])}")
    text = " and ".join(said)
    return f"With that capacity {text}" if text else ""


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
    least = of.found.sizes[0] if of.found.sizes else 1
    few = _thinned([p for p in places if p >= least], _LRU_POINTS)
    series: list[dict[str, Any]] = [
        {"name": NAMES["lru"], "x": few, "y": of.curve.at(few).tolist()}
    ]
    for policy, ratios in of.found.curves.items():
        if policy == "lru":
            continue
        line: dict[str, Any] = {"name": NAMES[policy], "x": of.found.sizes, "y": ratios}
        series.append(line | {"style": "dashed"} if policy == "belady" else line)
    unlimited = of.curve.hit_ratio(of.curve.distinct)
    caption = (
        f"No capacity hits more than {format_share(unlimited)}: the rest are first references."
    )
    if alike := _alike(of.found.curves):
        caption += f" {alike} are the same line here."
    if of.found.curve_rate < 1:
        caption += (
            f" LRU is exact; the other lines rest on {format_share(of.found.curve_rate)}"
            " of the blocks"
            f" (LRU on that sample is off by at most {100 * of.found.curve_error:.2f}"
            " percentage points)."
        )
    marks = () if of.knee is None else (Mark(axis="x", at=of.knee, label=_knee_label(of)),)
    return Chart(
        id="caching-policies",
        title="Prefix cache: hit ratio by capacity and eviction policy",
        kind="line",
        x_label="capacity, blocks",
        y_label="share of block references that hit",
        x_scale="log",
        series=tuple(series),
        caption=caption,
        marks=marks,
    )


def _alike(curves: Mapping[str, Sequence[float]]) -> str:
    """Two policies whose lines cannot be told apart."""
    for a, b in combinations(curves, 2):
        if max(abs(x - y) for x, y in zip(curves[a], curves[b], strict=True)) < _SAME_LINE:
            return f"{NAMES[a]} and {NAMES[b]}"
    return ""


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
