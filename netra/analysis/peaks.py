"""The busiest minute: what a rate limit has to allow. Cost: O(rows)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_MINUTE_US = 60_000_000


class MinutePeaks:
    """Adds up measures by minute (UTC, from second 0), over batches in any order."""

    def __init__(self, measures: int) -> None:
        self._measures = measures
        self._sums: dict[int, npt.NDArray[np.float64]] = {}

    def add(self, times_us: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> None:
        """Adds a batch.

        Args:
            times_us: microseconds since 1970; shape (n,).
            values: each measure's value on each row, NaN counts as nothing; shape (measures, n).
        """
        if not len(times_us):
            return
        minutes, places = np.unique(times_us // _MINUTE_US, return_inverse=True)
        known = np.nan_to_num(values)
        added = [np.bincount(places, row, minlength=len(minutes)) for row in known]
        sums = np.asarray(added, dtype=np.float64)
        for i, minute in enumerate(minutes.tolist()):
            earlier = self._sums.get(minute)
            self._sums[minute] = sums[:, i] if earlier is None else earlier + sums[:, i]

    @property
    def minutes(self) -> int:
        """How many minutes have at least one row."""
        return len(self._sums)

    def peaks(self) -> npt.NDArray[np.float64]:
        """The largest sum of each measure over the minutes; shape (measures,), 0 for no rows."""
        if not self._sums:
            return np.zeros(self._measures)
        return np.max(np.stack(list(self._sums.values())), axis=0)
