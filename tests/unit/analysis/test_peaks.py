"""The busiest minute."""

from __future__ import annotations

import numpy as np

from netra.analysis.peaks import MinutePeaks

MINUTE = 60_000_000


def test_the_largest_minute_of_each_measure_over_batches() -> None:
    peaks = MinutePeaks(2)
    at = np.array([0, 1, MINUTE - 1, MINUTE, 5 * MINUTE], dtype=np.int64)
    peaks.add(at, np.array([[1.0] * 5, [10, 10, 10, 500, np.nan]]))
    peaks.add(np.array([2 * MINUTE - 1], dtype=np.int64), np.array([[1.0], [1.0]]))
    assert peaks.peaks().tolist() == [3.0, 501.0]
    assert peaks.minutes == 3


def test_nothing() -> None:
    peaks = MinutePeaks(1)
    peaks.add(np.array([], dtype=np.int64), np.empty((1, 0)))
    assert peaks.peaks().tolist() == [0.0]
