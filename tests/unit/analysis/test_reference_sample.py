from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.eviction.replay import hits_at
from netra.analysis.lru_curve import lru_curve
from netra.analysis.reference_sample import ReferenceSample
from tests.unit.analysis.eviction.obvious import OBVIOUS


def test_below_the_limit_everything_is_kept_in_order() -> None:
    sample = ReferenceSample(limit=6)
    sample.extend(np.array([7, 5, 7], np.uint64))
    sample.extend(np.array([2**64 - 1, 5], np.uint64))
    found = sample.references()
    assert found.ids.tolist() == [0, 1, 0, 2, 1]
    assert (found.distinct, found.rate, found.references, found.is_whole) == (3, 1.0, 5, True)
    assert found.capacity(7) == 7
    assert found.hit_ratio([2, 0]).tolist() == [0.4, 0.0]


def test_a_block_is_kept_with_all_its_references_or_not_at_all() -> None:
    rng = np.random.default_rng(4)
    blocks = rng.integers(0, 5_000, 60_000, dtype=np.uint64)
    whole = ReferenceSample(limit=10_000)
    for part in np.array_split(blocks, 7):
        whole.extend(part)
    found = whole.references()
    assert len(found.ids) <= 10_000
    assert found.references == 60_000
    per_block = np.bincount(found.ids)
    everywhere = np.bincount(blocks.astype(np.int64))
    kept = sorted(per_block.tolist())
    assert len(kept) == found.distinct
    # 5,000 blocks at an eighth: each with the count that it has in the whole trace.
    assert found.rate == 1 / 8
    assert 625 - 4 * 24 < found.distinct < 625 + 4 * 24
    assert set(kept) <= set(everywhere.tolist())


def test_a_smaller_sample_is_of_the_same_blocks() -> None:
    blocks = np.random.default_rng(4).integers(0, 999, 8_000, dtype=np.uint64)
    sample = ReferenceSample(limit=4_000)
    sample.extend(blocks)
    large, small = sample.references(), sample.references(limit=1_000)
    assert small.rate < large.rate < 1
    assert len(small.ids) <= 1_000 < len(large.ids) <= 4_000
    assert small.distinct < large.distinct


@pytest.mark.parametrize("policy", OBVIOUS)
def test_a_cache_scaled_down_hits_about_as_often_on_the_sample(policy: str) -> None:
    rng = np.random.default_rng(8)
    starts = rng.integers(0, 20_000, 8_000, dtype=np.uint64)
    blocks = (starts[:, None] + np.arange(40, dtype=np.uint64)).ravel()
    sample = ReferenceSample(limit=90_000)
    sample.extend(blocks)
    found, whole = sample.references(), ReferenceSample(limit=10**9)
    whole.extend(blocks)
    every = whole.references()
    assert found.rate == 1 / 4
    capacities = [2_000, 6_000, 15_000]
    scaled = [found.capacity(c) for c in capacities]
    exact = hits_at(policy, every.ids, every.distinct, capacities) / len(blocks)
    estimate = found.hit_ratio(hits_at(policy, found.ids, found.distinct, scaled))
    assert np.abs(estimate - exact).max() < 0.02
    assert exact[0] < exact[-1] - 0.1


def test_the_estimate_of_an_unlimited_cache_is_close() -> None:
    rng = np.random.default_rng(2)
    blocks = (rng.zipf(1.2, 200_000) % 50_000).astype(np.uint64)
    sample = ReferenceSample(limit=120_000)
    sample.extend(blocks)
    found = sample.references()
    assert not found.is_whole
    estimate = found.hit_ratio(len(found.ids) - found.distinct)
    assert abs(float(estimate) - lru_curve(blocks).hit_ratio(float("inf"))) < 0.005
