"""Rolling origins: what each member would have forecast at past times, from what was known then.

Source: Tashman, Out-of-sample tests of forecasting accuracy (2000).
Cost: O(origins × members × series × windows).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.demand.members import Member

#: Seasons of history before the first origin: the least from which a profile can be told.
FIRST_SEASONS = 3


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Forecasts at past origins, the last of which is the end of the history."""

    #: Windows known at each origin, ascending; shape (origins,).
    origins: Int64s
    #: NaN where a member has too little history; shape (origins, members, series, horizon).
    forecasts: Floats
    #: NaN where the history ends; shape (origins, series, horizon).
    actuals: Floats
    #: Mean rate of all that is known at each origin; shape (origins, series).
    levels: Floats

    @property
    def horizon(self) -> int:
        return self.forecasts.shape[3]

    def known_at(self, k: int) -> list[int]:
        """The folds whose actuals are wholly known at origin `k`."""
        now = int(self.origins[k])
        return [i for i in range(k) if int(self.origins[i]) + self.horizon <= now]


def roll(
    history: Floats,
    members: Sequence[Member],
    season: int,
    horizon: int,
    most: int,
    advance: Callable[[float], None] = lambda _: None,
) -> Folds:
    """Forecasts at the end of `history` and one, two, … seasons before it.

    `history` has shape (series, windows), all finite. At most the `most` latest origins are kept.
    """
    windows = history.shape[1]
    first = min(FIRST_SEASONS * season, windows)
    origins = np.arange(windows, first - 1, -season, dtype=np.int64)[: most + 1][::-1]
    shape = (len(origins), len(members), len(history), horizon)
    forecasts = np.full(shape, np.nan)
    actuals = np.full((shape[0], *shape[2:]), np.nan)
    levels = np.empty((shape[0], shape[2]))
    for k, origin in enumerate(origins.tolist()):
        known = history[:, :origin]
        levels[k] = known.mean(axis=1)
        for j, member in enumerate(members):
            if origin >= member.needs:
                forecasts[k, j] = member.forecast(known, horizon)
        ahead = history[:, origin : origin + horizon]
        actuals[k, :, : ahead.shape[1]] = ahead
        advance((k + 1) / len(origins))
    return Folds(origins=origins, forecasts=forecasts, actuals=actuals, levels=levels)
