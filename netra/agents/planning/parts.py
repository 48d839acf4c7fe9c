"""The fit part and the verify part of a workload, and the blocks that an interval draws from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from netra.agents.columns import Codes, Mask
from netra.agents.planning.traffic import PricedTraffic
from netra.analysis.bootstrap import MIN_BLOCKS
from netra.analysis.split import Split, sessions_begin_at_zero, split_by_session, split_by_time

#: Lengths of time blocks, seconds: the longest one that leaves enough blocks is taken, as longer
#: ones keep more of how requests near each other resemble each other.
_LENGTHS = ((3600, "hours"), (600, "10-minute blocks"), (60, "minutes"), (1, "seconds"))
#: The shortest block of time, seconds: a verify part with fewer of these has no interval.
SHORTEST_BLOCK_S = _LENGTHS[-1][0]
_ENOUGH_BLOCKS = 15
#: More blocks than this make an interval no better, and the draws slower.
MOST_BLOCKS = 5000
#: Sessions are the blocks if so large a share of the requests names one.
_SESSION_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which events are in which part, and how that was decided."""

    split: Split
    share: float
    seed: int
    why: str
    #: By session only: the ids, so that nothing else decides on a session's part.
    anchored: bool

    @property
    def fit(self) -> Mask:
        return self.split.fit

    @property
    def verify(self) -> Mask:
        return ~self.split.fit

    def as_json(self) -> dict[str, Any]:
        """All that is needed to split again, and what came of it."""
        found: dict[str, Any] = {
            "by": self.split.by,
            "share": self.share,
            "seed": self.seed,
            "why": self.why,
            "fit_events": int(self.fit.sum()),
            "verify_events": int(self.verify.sum()),
        }
        if self.split.cut_us is not None:
            found["cut_us"] = self.split.cut_us
            if self.anchored:
                cut = datetime.fromtimestamp(self.split.cut_us / 1e6, UTC)
                found["cut"] = cut.isoformat().replace("+00:00", "Z")
        else:
            found["fit_sessions"] = self.split.fit_sessions
            found["verify_sessions"] = self.split.verify_sessions
        return found


def split_traffic(
    traffic: PricedTraffic,
    triage: Mapping[str, Any],
    *,
    by: str,
    share: float,
    seed: int,
    anchored: bool,
) -> Parts:
    """Splits by time, or by session where each session has a clock of its own.

    Args:
        triage: the triage agent's result; where it says how to split, it is followed.
        by: `time` or `session` if the job says so, else `auto`.
        seed: decides which sessions are in which part.

    Raises:
        InsufficientData: there is no span of time, or there are too few sessions.
    """
    why = "as the job's parameters say"
    if by == "auto":
        by, why = _decide(traffic, triage, anchored)
    if by == "session":
        split = split_by_session(traffic.sessions.codes, traffic.sessions.texts, share, seed)
    else:
        split = split_by_time(traffic.times_us, share)
    return Parts(split=split, share=share, seed=seed, why=why, anchored=anchored)


def _decide(traffic: PricedTraffic, triage: Mapping[str, Any], anchored: bool) -> tuple[str, str]:
    sessions: Mapping[str, Any] = triage.get("sessions", {})
    if sessions.get("split") in ("time", "session"):
        return str(sessions["split"]), str(sessions.get("why", "as triage found"))
    own_clocks = sessions_begin_at_zero(traffic.times_us, traffic.sessions.codes)
    if own_clocks and not anchored:
        return "session", "the sessions all begin with the trace: their times are relative"
    return "time", "times are those of the traffic"


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The block of each of some rows, 0 and up, and what a block is."""

    codes: Codes
    count: int
    #: `sessions`, `hours`, …
    kind: str


def blocks_of(traffic: PricedTraffic, rows: Mask, *, merge: bool = True) -> Blocks:
    """Sessions where they are known and many enough, else stretches of time; `rows` not empty.

    Args:
        merge: puts sessions together where there are more than an interval needs.
    """
    sessions = traffic.sessions.codes[rows]
    known = sessions >= 0
    if known.mean() >= _SESSION_SHARE:
        # Requests of no session stand for themselves together: one more block.
        distinct, codes = np.unique(sessions, return_inverse=True)
        if merge and len(distinct) > MOST_BLOCKS:
            # Sums of independent sessions are independent too, and far fewer to draw.
            kind = f"groups of the {len(distinct):,} sessions"
            merged = (codes % MOST_BLOCKS).astype(np.int32)
            return Blocks(codes=merged, count=MOST_BLOCKS, kind=kind)
        if len(distinct) >= MIN_BLOCKS:
            return Blocks(codes=codes.astype(np.int32), count=len(distinct), kind="sessions")
    return time_blocks(traffic, rows)


def time_blocks(traffic: PricedTraffic, rows: Mask) -> Blocks:
    """Stretches of equal time that hold at least one request; `rows` not empty."""
    seconds = traffic.times_us[rows] // 1_000_000
    best: Blocks | None = None
    for length, kind in _LENGTHS:
        distinct, codes = np.unique(seconds // length, return_inverse=True)
        best = Blocks(codes=codes.astype(np.int32), count=len(distinct), kind=kind)
        if best.count >= _ENOUGH_BLOCKS:
            break
    assert best is not None
    return best
