"""Sums of several measures by group, over batches that come one by one.

Cost: O(rows) time, O(groups x measures) memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class GroupTotals:
    """What was added up. Row 0 holds the rows of no group, row `code + 1` those of `code`."""

    #: Rows of each group, shape (groups + 1,).
    rows: npt.NDArray[np.int64]
    #: Sum of the known values of each measure, shape (groups + 1,).
    sums: Mapping[str, npt.NDArray[np.float64]]
    #: How many values of each measure were known, shape (groups + 1,).
    known: Mapping[str, npt.NDArray[np.int64]]


class GroupSums:
    """Adds up measures by group; a value that is NaN is unknown and adds nothing."""

    def __init__(self, measures: Sequence[str]) -> None:
        self._measures = tuple(measures)
        self._rows = np.zeros(16, dtype=np.int64)
        self._sums = {m: np.zeros(16) for m in measures}
        self._known = {m: np.zeros(16, dtype=np.int64) for m in measures}
        self._used = 1

    def add(
        self, codes: npt.NDArray[np.int32], values: Mapping[str, npt.NDArray[np.float64]]
    ) -> None:
        """Adds a batch.

        Args:
            codes: the group of each row, -1 for none; shape (rows,).
            values: each measure's value on each row; shape (rows,).
        """
        if not len(codes):
            return
        places = codes.astype(np.int64) + 1
        self._grow(int(places.max()) + 1)
        size = self._used
        self._rows[:size] += np.bincount(places, minlength=size)
        for measure in self._measures:
            of_rows = values[measure]
            known = ~np.isnan(of_rows)
            if known.any():
                where = places[known]
                self._sums[measure][:size] += np.bincount(where, of_rows[known], minlength=size)
                self._known[measure][:size] += np.bincount(where, minlength=size)

    def totals(self) -> GroupTotals:
        """What was added so far."""
        size = self._used
        return GroupTotals(
            rows=self._rows[:size].copy(),
            sums={m: a[:size].copy() for m, a in self._sums.items()},
            known={m: a[:size].copy() for m, a in self._known.items()},
        )

    def _grow(self, size: int) -> None:
        self._used = max(self._used, size)
        more = max(size, 2 * len(self._rows)) - len(self._rows)
        if size > len(self._rows):
            self._rows = np.pad(self._rows, (0, more))
            self._sums = {m: np.pad(a, (0, more)) for m, a in self._sums.items()}
            self._known = {m: np.pad(a, (0, more)) for m, a in self._known.items()}
