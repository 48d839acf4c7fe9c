"""Logs of runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netra.analysis.serving.run_log import read_run_log
from netra.errors import InvalidEvents


def row(arrival: float, **changed: Any) -> dict[str, Any]:
    return {
        "arrival_time": arrival,
        "input_toks": 10,
        "output_toks": 5,
        "queued_ts": arrival + 100,
        "scheduled_ts": arrival + 101,
        "first_token_ts": arrival + 102,
        "last_token_ts": arrival + 110,
    } | changed


def test_rows_are_ordered_by_arrival_with_all_they_hold() -> None:
    log = read_run_log([row(5.0, input_toks=7), row(3.0), row(4.0, output_toks=1)])
    assert log.arrival_s.tolist() == [3.0, 4.0, 5.0]
    assert log.input_tokens.tolist() == [10, 10, 7]
    assert log.scheduled_s.tolist() == [104.0, 105.0, 106.0]
    assert log.ttft_s.tolist() == [2.0, 2.0, 2.0]
    assert log.latency_s.tolist() == [10.0, 10.0, 10.0]
    np.testing.assert_array_equal(log.tpot_s, [2.0, np.nan, 2.0])


def test_unknown_times_stay_unknown() -> None:
    log = read_run_log([row(1.0, last_token_ts=None), row(2.0)])
    np.testing.assert_array_equal(log.latency_s, [np.nan, 10.0])


def test_rows_without_arrival_or_counts_are_named() -> None:
    with pytest.raises(InvalidEvents, match="3 problems") as caught:
        read_run_log([row(1.0), row(2.0, input_toks=None), row(float("nan"), output_toks=0)])
    assert [problem.where for problem in caught.value.errors] == ["row 2", "row 3", "row 3"]
