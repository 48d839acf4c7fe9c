"""Integrals over bins of time whose number is fixed: when time outgrows them, they are widened.

Within a stretch of steps the occupancy is taken at its middle. Cost: O(1) amortized, for stretches
that are not much longer than a bin.
"""

from __future__ import annotations

from netra.analysis.compiled import Floats
from netra.analysis.inlined import inlined
from netra.analysis.serving.engine_state import Records


@inlined
def record(
    timeline: Records, width_s: Floats, start: float, end: float, blocks: float, running: int
) -> None:
    """Adds a stretch in which a replica's steps ran, with so many blocks and sequences."""
    bins = len(timeline)
    while end >= width_s[0] * bins:
        _widen(timeline, width_s)
    width = width_s[0]
    b = int(start / width)
    while start < end:
        part = min(end, (b + 1) * width) - start
        if part > 0.0:
            timeline[b]["busy_s"] += part
            timeline[b]["block_s"] += part * blocks
            timeline[b]["running_s"] += part * running
        start = (b + 1) * width
        b += 1


@inlined
def _widen(timeline: Records, width_s: Floats) -> None:
    """Merges pairs of bins."""
    half = len(timeline) // 2
    for b in range(half):
        even = timeline[2 * b]
        odd = timeline[2 * b + 1]
        merged = timeline[b]
        merged["busy_s"] = even["busy_s"] + odd["busy_s"]
        merged["block_s"] = even["block_s"] + odd["block_s"]
        merged["running_s"] = even["running_s"] + odd["running_s"]
    for b in range(half, len(timeline)):
        timeline[b]["busy_s"] = 0.0
        timeline[b]["block_s"] = 0.0
        timeline[b]["running_s"] = 0.0
    width_s[0] *= 2.0
