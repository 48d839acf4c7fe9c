from __future__ import annotations

import numpy as np

from netra.analysis.breakdown import GroupSums


def test_batches_add_up_to_the_slow_sums():
    rng = np.random.default_rng(0)
    sums = GroupSums(["tokens"])
    seen: list[tuple[int, float]] = []
    for size, groups in ((100, 3), (0, 1), (200, 90)):
        codes = rng.integers(-1, groups, size).astype(np.int32)
        values = np.where(rng.random(size) < 0.2, np.nan, rng.integers(0, 50, size).astype(float))
        sums.add(codes, {"tokens": values})
        seen += zip(codes.tolist(), values.tolist(), strict=True)
    got = sums.totals()
    assert len(got.rows) == 91
    for code in range(-1, 90):
        mine = [v for c, v in seen if c == code]
        known = [v for v in mine if v == v]
        assert got.rows[code + 1] == len(mine)
        assert got.known["tokens"][code + 1] == len(known)
        assert got.sums["tokens"][code + 1] == sum(known)


def test_nothing_added_is_nothing():
    got = GroupSums(["tokens"]).totals()
    assert got.rows.tolist() == [0]
