from __future__ import annotations

from collections import Counter

import numpy as np

from netra.analysis.hourly import HOUR_US, HourlySums

MONDAY_US = 1_772_409_600_000_000  # 2026-03-02 00:00 UTC


def test_whole_hours_leave_out_the_ends_and_keep_the_empty():
    sums = HourlySums(measures=1)
    start = MONDAY_US + HOUR_US // 2
    offsets = [0.0, 1.0, 1.1, 3.2, 4.0]  # hours after 00:30
    ts = np.array([start + int(h * HOUR_US) for h in offsets])
    sums.add(ts[:3], [np.array([1.0, 2.0, np.nan])])
    sums.add(ts[3:], [np.array([4.0, 5.0])])
    series = sums.whole_hours()
    assert series is not None
    # 01:00 to 04:00; the events of 00:30 and 04:30 lie in hours that are not whole
    assert series.first * HOUR_US == MONDAY_US + HOUR_US
    assert series.sums.tolist() == [[2, 0, 1], [2, 0, 4]]


def test_whole_days_equal_a_slow_count():
    rng = np.random.default_rng(0)
    ts = np.sort(rng.integers(MONDAY_US + HOUR_US, MONDAY_US + 100 * HOUR_US, 500))
    sums = HourlySums()
    for part in np.array_split(ts, 7):
        sums.add(part)
    series = sums.whole_days()
    assert series is not None
    slow = Counter((ts // (24 * HOUR_US)).tolist())
    days = range(MONDAY_US // (24 * HOUR_US) + 1, int(ts.max()) // (24 * HOUR_US))
    assert series.first == days[0]
    assert series.sums[0].tolist() == [slow[d] for d in days]


def test_the_hour_of_the_week_counts_from_monday():
    sums = HourlySums()
    sums.add(np.array([MONDAY_US + 50 * HOUR_US, MONDAY_US + 60 * HOUR_US]))
    series = sums.whole_hours()
    assert series is not None
    assert series.hour_of_week == 50


def test_blocks_are_the_hours_with_traffic():
    sums = HourlySums()
    sums.add(np.array([5, HOUR_US * 7, HOUR_US * 7 + 1]))
    assert sums.blocks().tolist() == [[1, 2]]


def test_a_moment_holds_no_whole_hour():
    sums = HourlySums()
    assert sums.whole_hours() is None
    sums.add(np.array([MONDAY_US]))
    assert sums.whole_hours() is None
    assert sums.whole_days() is None
