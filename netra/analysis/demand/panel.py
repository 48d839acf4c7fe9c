"""Measured rates of several series → equal windows without holes.

Unknown is not zero: a window without a measurement gets what was there one season before (or, where
there is no such window, the series' mean), and is counted.
Cost: O(points log points).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Bools, Floats, Int64s
from netra.errors import InsufficientData


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Rates in equal windows."""

    #: Shape (series, windows); finite.
    rates: Floats
    #: Where a rate was filled in; shape (series, windows).
    filled: Bools
    #: The length of a window, seconds.
    window_s: float
    #: When the first window begins, seconds in the points' own count.
    start_s: float

    def coarser(self, window_s: float) -> Panel:
        """Means over windows of `window_s`, whole ones only; the history's end is kept.

        Raises:
            InsufficientData: these windows are longer than the ones asked for, or do not fit.
        """
        by = round(window_s / self.window_s)
        if by < 1 or abs(by * self.window_s - window_s) > 1e-6 * window_s:
            raise InsufficientData(
                f"windows of {self.window_s:g} s cannot be put together to windows of"
                f" {window_s:g} s",
                [f"rates in windows that divide {window_s:g} s"],
            )
        count = self.rates.shape[1] // by
        skipped = self.rates.shape[1] - count * by
        shape = (len(self.rates), count, by)
        return Panel(
            rates=self.rates[:, skipped:].reshape(shape).mean(axis=2),
            filled=np.asarray(self.filled[:, skipped:].reshape(shape).any(axis=2)),
            window_s=by * self.window_s,
            start_s=self.start_s + skipped * self.window_s,
        )


def panel(
    times_s: Floats, codes: Int64s, rates: Floats, series: int, season_s: float = 86_400.0
) -> Panel:
    """Puts points in place; several of one series in one window become their mean.

    `times_s` are the beginnings of windows, `codes` say which of the `series` a rate belongs to;
    all of shape (points,). The window is the most common distance between neighbouring times.

    Raises:
        InsufficientData: there are fewer than two different times.
    """
    distinct = np.unique(times_s)
    if len(distinct) < 2:
        raise InsufficientData(
            "a demand series needs several times", [f"2 times, there are {len(distinct)}"]
        )
    gaps, counts = np.unique(np.round(np.diff(distinct), 3), return_counts=True)
    window_s = float(gaps[counts.argmax()])
    start_s = float(distinct[0])
    place = np.floor((times_s - start_s) / window_s + 1e-6).astype(np.int64)
    windows = int(place.max()) + 1
    flat = codes * windows + place
    points = np.bincount(flat, minlength=series * windows)
    sums = np.bincount(flat, rates, minlength=series * windows)
    known = (points > 0).reshape(series, windows)
    values = np.divide(sums, points, out=np.zeros_like(sums), where=points > 0)
    season = max(1, round(season_s / window_s))
    return Panel(
        rates=_filled(values.reshape(series, windows), known, season),
        filled=~known,
        window_s=window_s,
        start_s=start_s,
    )


def _filled(values: Floats, known: Bools, season: int) -> Floats:
    if known.all():
        return values
    count = np.maximum(known.sum(axis=1), 1)
    means = np.where(known, values, 0.0).sum(axis=1) / count
    out = np.where(known, values, means[:, None])
    for at in range(season, values.shape[1], season):
        now, before = slice(at, at + season), slice(at - season, at)
        width = out[:, now].shape[1]
        out[:, now] = np.where(known[:, now], out[:, now], out[:, before][:, :width])
    return out
