"""Two parts of a workload: one to choose on, and one that the choice has not seen.

By time where the times of all events can be compared: the first share of the span is the fit
part, as in production the past is known and the future is not. By session where each session has
a clock of its own: whole sessions, drawn by a hash of their id and a seed, so that a session's
part depends on no value that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from netra.errors import InsufficientData

Mask = npt.NDArray[np.bool_]

#: Sessions that begin within this of the trace's first event have begun "at 0", microseconds.
_AT_ZERO_US = 1_000_000
#: If at least this share of the sessions begins at 0, each has its own clock.
_SHARE_AT_ZERO = 0.9


@dataclass(frozen=True, kw_only=True)
class Split:
    """Which events are in the fit part; all others are in the verify part."""

    #: `time` or `session`.
    by: str
    #: Shape (events,).
    fit: Mask
    #: By time: the first moment of the verify part, microseconds since 1970.
    cut_us: int | None = None
    #: By session: how many sessions are in each part.
    fit_sessions: int | None = None
    verify_sessions: int | None = None


def sessions_begin_at_zero(ts_us: npt.NDArray[np.int64], sessions: npt.NDArray[np.int32]) -> bool:
    """Whether the sessions' times are each counted from the session's own start.

    Args:
        ts_us: times of the events, microseconds; shape (events,).
        sessions: each event's session code, -1 for none; shape (events,).
    """
    known = sessions >= 0
    if not known.any():
        return False
    starts = np.full(int(sessions.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(starts, sessions[known], ts_us[known])
    starts = starts[starts < np.iinfo(np.int64).max]
    at_zero = starts - ts_us.min() <= _AT_ZERO_US
    return len(starts) > 1 and float(at_zero.mean()) >= _SHARE_AT_ZERO


def split_by_time(ts_us: npt.NDArray[np.int64], share: float) -> Split:
    """The first `share` of the time span is the fit part.

    Raises:
        InsufficientData: all events are of one moment.
        ValueError: `share` is not between 0 and 1.
    """
    _check_share(share)
    if not len(ts_us) or ts_us.min() == ts_us.max():
        need = "events at two moments or more, so that there is a past and a future"
        raise InsufficientData("the events have no span of time to split", [need])
    first, last = int(ts_us.min()), int(ts_us.max())
    cut = first + max(1, math.floor((last - first) * share))
    return Split(by="time", fit=ts_us < cut, cut_us=cut)


def split_by_session(
    sessions: npt.NDArray[np.int32], names: Sequence[str], share: float, seed: int
) -> Split:
    """A `share` of the sessions, drawn by hash, is the fit part; both parts get at least one.

    Args:
        sessions: each event's session code, -1 for none; shape (events,). Events of no session
            are in neither choice nor doubt: they are in the fit part.
        names: the sessions' ids, by code.

    Raises:
        InsufficientData: fewer than two sessions.
        ValueError: `share` is not between 0 and 1.
    """
    _check_share(share)
    present: list[int] = np.unique(sessions[sessions >= 0]).tolist()
    if len(present) < 2:
        need = f"at least 2 sessions (session_id), there are {len(present)}"
        raise InsufficientData("there are too few sessions to split", [need])
    order = sorted(present, key=lambda code: (_hash(names[code], seed), code))
    count = min(max(1, round(len(order) * share)), len(order) - 1)
    verify = np.zeros(max(present) + 1, dtype=bool)
    verify[order[count:]] = True
    known = sessions >= 0
    fit = ~known
    fit[known] = ~verify[sessions[known]]
    return Split(by="session", fit=fit, fit_sessions=count, verify_sessions=len(order) - count)


def _hash(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}\x00{name}".encode(errors="replace"), digest_size=8).digest()


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share is {share}, not between 0 and 1")
