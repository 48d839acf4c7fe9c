"""For how long replicas are paid, given when they were switched on and off.

Cost: O(n + ticks) a replica.
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Floats, Int64s


def paid_s(
    *,
    on: Int64s,
    interval_s: float,
    least: int,
    replicas: int,
    replica: Int64s,
    arrival_s: Floats,
    finish_s: Floats,
) -> float:
    """Seconds summed over replicas, from being switched on until being done.

    A replica is done when it has been switched off and has finished what it had taken; at the end,
    when the last request of all has finished.

    Args:
        on: how many replicas are on from each tick on; shape (ticks,).
        interval_s: between ticks, of which the first is at time 0.
        least: how many are on before the first tick.
        replicas: how many there are; replica r is on while more than r are.
        replica: which one served a request; shape (n,).
        arrival_s: when a request came, from the first one; shape (n,).
        finish_s: when it had finished; shape (n,).
    """
    end = float(finish_s.max()) if len(finish_s) else 0.0
    total = 0.0
    for r in range(replicas):
        mine = np.flatnonzero(replica == r)
        paid_until = 0.0
        for start, stop in _spans(on > r, interval_s, r < least, end):
            taken = mine[(arrival_s[mine] >= start) & (arrival_s[mine] <= stop)]
            until = max(stop, float(finish_s[taken].max()) if len(taken) else stop)
            total += until - max(start, paid_until)
            paid_until = until
    return total


def _spans(
    on: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    interval_s: float,
    first: bool,
    end: float,
) -> list[tuple[float, float]]:
    """When a replica was on: from a tick to a tick, or to the end."""
    spans: list[tuple[float, float]] = []
    since = 0.0 if first else None
    for tick, now in enumerate(on.tolist()):
        if now and since is None:
            since = tick * interval_s
        elif not now and since is not None:
            spans.append((since, tick * interval_s))
            since = None
    if since is not None:
        spans.append((since, end))
    return spans
