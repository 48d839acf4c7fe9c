"""How long it takes until a session's next request, which decides how long prompts must live."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.agents.columns import Codes, Floats
from netra.agents.prompt_replay import NEVER_EXPIRES, PromptRequests
from netra.analysis.compiled import Int64s

#: Points of the drawn distribution, seconds.
_POINTS = np.unique(np.geomspace(1, 86_400, 61))


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """Gaps between requests of one cache."""

    #: How many requests had one before them.
    n: int
    #: The share of them that came within 5 minutes, after 5 minutes to an hour, and later.
    within_5m: float
    within_1h: float
    later: float
    #: The distribution: the share of gaps, and of the tokens that the cache had been sent before,
    #: at most so many seconds after the request before.
    seconds: list[float]
    share: list[float]
    token_share: list[float]


def gaps(requests: PromptRequests, caches: Codes) -> Gaps | None:
    """The gaps of all requests; None if no cache has two."""
    order = np.argsort(caches, kind="stable")
    after = np.flatnonzero(np.diff(caches[order]) == 0) + 1
    if not len(after):
        return None
    times: Int64s = requests.times_us[order]
    gap = np.maximum((times[after] - times[after - 1]) / 1e6, 0.0)
    tokens: Floats = requests.hit_tokens[NEVER_EXPIRES, order[after]]
    within = np.sort(gap)
    by_gap = np.argsort(gap, kind="stable")
    known = np.append(0.0, np.cumsum(tokens[by_gap]))
    places = np.searchsorted(within, _POINTS, side="right")
    total = known[-1]
    five, hour = (float(np.mean(gap <= s)) for s in (300.0, 3600.0))
    return Gaps(
        n=len(gap),
        within_5m=five,
        within_1h=hour - five,
        later=1 - hour,
        seconds=_POINTS.tolist(),
        share=(places / len(gap)).tolist(),
        token_share=(known[places] / total).tolist() if total else [],
    )
