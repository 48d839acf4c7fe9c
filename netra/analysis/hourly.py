"""Traffic by the hour and by the day, over batches that come one by one.

Cost: O(rows log rows) time, O(hours with traffic) memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HOUR_US = 3_600_000_000
DAY_HOURS = 24
#: 1970-01-01 was a Thursday; hours of the week count from Monday 00:00 UTC.
_THURSDAY = 3 * DAY_HOURS
_WEEK_HOURS = 168


@dataclass(frozen=True, kw_only=True)
class Series:
    """Sums for each hour (or day) in a row, those without traffic included."""

    #: Hours (or days) since 1970 of the first.
    first: int
    #: Shape (measures, periods): the rows, then each measure.
    sums: npt.NDArray[np.float64]

    @property
    def hour_of_week(self) -> int:
        """Where in the week the first hour stands, from Monday 00:00 UTC."""
        return (self.first + _THURSDAY) % _WEEK_HOURS


class HourlySums:
    """Adds up rows and measures by the hour."""

    def __init__(self, measures: int = 0) -> None:
        self._measures = measures
        self._hours: dict[int, npt.NDArray[np.float64]] = {}
        self._first_us: int | None = None
        self._last_us: int | None = None

    def add(
        self, ts: npt.NDArray[np.int64], values: Sequence[npt.NDArray[np.float64]] = ()
    ) -> None:
        """Adds a batch: microseconds since 1970 and the measures, each of shape (rows,).

        A value that is NaN adds nothing.
        """
        if not len(ts):
            return
        least, most = int(ts.min()), int(ts.max())
        self._first_us = least if self._first_us is None else min(self._first_us, least)
        self._last_us = most if self._last_us is None else max(self._last_us, most)
        hours, places = np.unique(ts // HOUR_US, return_inverse=True)
        of_batch = np.empty((1 + self._measures, len(hours)))
        of_batch[0] = np.bincount(places, minlength=len(hours))
        for i, of_rows in enumerate(values, start=1):
            of_batch[i] = np.bincount(places, np.nan_to_num(of_rows), minlength=len(hours))
        for i, hour in enumerate(hours.tolist()):
            before = self._hours.get(hour)
            self._hours[hour] = of_batch[:, i] if before is None else before + of_batch[:, i]

    @property
    def first_us(self) -> int | None:
        return self._first_us

    @property
    def last_us(self) -> int | None:
        return self._last_us

    def whole_hours(self) -> Series | None:
        """Every hour that lies wholly between the first and the last row; None: there is none."""
        if self._first_us is None or self._last_us is None:
            return None
        return self._between(-(-self._first_us // HOUR_US), self._last_us // HOUR_US)

    def whole_days(self) -> Series | None:
        """Every UTC day that lies wholly between the first and the last row."""
        if self._first_us is None or self._last_us is None:
            return None
        first = -(-self._first_us // (DAY_HOURS * HOUR_US))
        end = self._last_us // (DAY_HOURS * HOUR_US)
        hours = self._between(first * DAY_HOURS, end * DAY_HOURS)
        if hours is None:
            return None
        by_day = hours.sums.reshape(1 + self._measures, -1, DAY_HOURS).sum(axis=2)
        return Series(first=first, sums=by_day)

    def blocks(self) -> npt.NDArray[np.float64]:
        """Sums of each hour with traffic, whole or not; shape (1 + measures, hours)."""
        if not self._hours:
            return np.empty((1 + self._measures, 0))
        return np.stack([self._hours[h] for h in sorted(self._hours)], axis=1)

    def _between(self, first: int, end: int) -> Series | None:
        if end <= first:
            return None
        sums = np.zeros((1 + self._measures, end - first))
        for hour, of_hour in self._hours.items():
            if first <= hour < end:
                sums[:, hour - first] = of_hour
        return Series(first=first, sums=sums)
