"""Tables of step times."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.serving.step_time import StepTable


def test_a_step_is_the_sum_of_its_four_terms() -> None:
    table = StepTable(
        tokens_s=np.array([0.0, 1.0, 2.0, 4.0]),
        sequences_s=np.array([0.0, 0.1, 0.3]),
        kv_s=np.array([0.0, 0.01, 0.02]),
        pair_s=0.001,
    )
    assert table.step_s(tokens=3, sequences=2, kv_tokens=50, pairs=7) == pytest.approx(
        4.0 + 0.3 + 0.02 * 50 + 0.007
    )


def test_tables_that_make_no_sense_are_refused() -> None:
    good = {"tokens_s": np.ones(3), "sequences_s": np.ones(3), "kv_s": np.ones(3), "pair_s": 0.0}
    for name, wrong, message in (
        ("tokens_s", np.ones(1), "at least one token"),
        ("tokens_s", np.zeros(3), "a step takes no time"),
        ("sequences_s", np.ones((3, 1)), "one axis"),
        ("kv_s", np.ones(2), r"kv_s is of shape \(2,\)"),
        ("kv_s", np.array([1.0, np.nan, 1.0]), "kv_s holds a time"),
        ("pair_s", -1.0, "pair_s holds a time"),
    ):
        with pytest.raises(ValueError, match=message):
            StepTable(**(good | {name: wrong}))  # pyright: ignore[reportArgumentType]
