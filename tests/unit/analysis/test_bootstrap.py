from __future__ import annotations

import importlib

import array_api_compat.numpy as np_xp
import numpy as np
import pytest

from netra.analysis.bootstrap import (
    MIN_BLOCKS,
    block_bootstrap,
    block_bootstraps,
    draw_blocks,
    ratio,
    relative_saving,
    resampled_totals,
    saving,
)
from netra.errors import InsufficientData

MASK = 0xFFFFFFFF


def lowbias32(x: int) -> int:
    """The published hash, on plain integers."""
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x ^ (x >> 16)


def reference_totals(sums: list[list[float]], seed: int, resamples: int) -> list[list[float]]:
    """Draw by draw, sum by sum."""
    blocks = len(sums[0])
    totals = [[0.0] * resamples for _ in sums]
    key = lowbias32(lowbias32(seed & MASK) ^ (seed >> 32))
    for r in range(resamples):
        first = lowbias32(lowbias32(r ^ key))
        second = lowbias32(first ^ 0x5BD1E995)
        for position in range(blocks):
            drawn = lowbias32(lowbias32((position + first) & MASK) ^ second) * blocks >> 32
            for row, of_row in enumerate(sums):
                totals[row][r] += of_row[drawn]
    return totals


def sums_of(blocks: int = 37) -> np.ndarray:
    rng = np.random.default_rng(5)
    baseline = rng.gamma(2.0, 10.0, blocks)
    return np.stack([baseline, baseline * rng.uniform(0.6, 0.9, blocks)])


@pytest.fixture(params=["numpy", "array_api_strict", "torch"])
def xp(request: pytest.FixtureRequest):
    if request.param == "numpy":
        return np_xp
    if request.param == "array_api_strict":
        return pytest.importorskip("array_api_strict")
    pytest.importorskip("torch")
    return importlib.import_module("array_api_compat.torch")


def test_totals_equal_the_slow_reference(xp):
    sums = sums_of()
    totals = resampled_totals(
        xp.asarray(sums, dtype=xp.float64), xp=xp, seed=2**40 + 7, resamples=23, chunk_elements=100
    )
    expected = reference_totals(sums.tolist(), 2**40 + 7, 23)
    got = [[float(totals[row, r]) for r in range(23)] for row in range(2)]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_every_namespace_gives_the_same_interval(xp):
    here = block_bootstrap(sums_of(), relative_saving, xp=xp, seed=3, resamples=400)
    numpy = block_bootstrap(sums_of(), relative_saving, xp=np_xp, seed=3, resamples=400)
    for name in ("estimate", "low", "high"):
        assert getattr(here, name) == pytest.approx(getattr(numpy, name), rel=1e-12)


def test_chunks_change_nothing_and_seeds_do():
    sums = sums_of()
    whole = block_bootstrap(sums, saving, xp=np_xp, seed=1, resamples=300)
    chunked = block_bootstrap(sums, saving, xp=np_xp, seed=1, resamples=300, chunk_elements=64)
    other = block_bootstrap(sums, saving, xp=np_xp, seed=2, resamples=300)
    assert (whole.low, whole.high) == pytest.approx((chunked.low, chunked.high), rel=1e-12)
    assert (whole.low, whole.high) != (other.low, other.high)


def test_draws_are_even_and_independent():
    blocks, resamples = 16, 4000
    drawn = draw_blocks(blocks, 0, resamples, xp=np_xp, seed=9, like=np.zeros(1))
    counts = np.bincount(drawn.ravel(), minlength=blocks)
    expected = resamples  # of each block
    chi2 = float(np.sum((counts - expected) ** 2 / expected))
    assert chi2 < 37.7  # 99.9 % point of chi-squared with 15 degrees of freedom
    for a, b in ((drawn[:, 0], drawn[:, 1]), (drawn[:-1, 3], drawn[1:, 3])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.06


def test_the_spread_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(10, 2, 200)
    totals = resampled_totals(
        values[None, :], xp=np_xp, seed=4, resamples=4000, chunk_elements=1 << 18
    )
    assert np.std(totals[0]) / 200 == pytest.approx(np.std(values) / np.sqrt(200), rel=0.05)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    covered = 0
    for trial in range(300):
        # requests of an hour share the hour's saving: the blocks vary, not the requests
        hours = rng.gamma(4.0, 5.0, 40)
        projected = hours * (1 - np.clip(rng.normal(0.25, 0.1, 40), 0, 1))
        got = block_bootstrap(
            np.stack([hours, projected]), relative_saving, xp=np_xp, seed=trial, resamples=300
        )
        covered += got.low <= 0.25 <= got.high
    # the percentile interval of 40 blocks runs a little narrow
    assert 0.83 <= covered / 300 <= 0.95


def test_statistics():
    totals = np.array([[10.0, 20.0], [8.0, 5.0]])
    np.testing.assert_allclose(relative_saving(totals), [0.2, 0.75])
    np.testing.assert_allclose(saving(totals), [2.0, 15.0])
    np.testing.assert_allclose(ratio(totals), [1.25, 4.0])


def test_too_few_blocks_are_refused():
    with pytest.raises(InsufficientData) as refusal:
        block_bootstrap(sums_of(MIN_BLOCKS - 1), saving, xp=np_xp, seed=0)
    assert "9" in refusal.value.needs[0]


def test_an_undefined_statistic_is_refused():
    sums = np.zeros((2, 12))
    sums[0, 0] = 1.0  # most draws have no baseline at all
    with pytest.raises(InsufficientData), np.errstate(all="ignore"):
        block_bootstrap(sums, relative_saving, xp=np_xp, seed=0, resamples=50)


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="level"):
        block_bootstrap(sums_of(), saving, xp=np_xp, seed=0, level=level)


def test_one_row_of_sums_still_has_two_dimensions():
    with pytest.raises(ValueError, match="dimensions"):
        block_bootstrap(np.ones(20), saving, xp=np_xp, seed=0)


def test_several_statistics_of_the_same_draws_are_those_of_each_alone():
    sums = np.random.default_rng(0).gamma(2.0, 1.0, (2, 40))
    statistics = (saving, relative_saving, ratio)
    together = block_bootstraps(sums, statistics, xp=np_xp, seed=4, resamples=300)
    alone = [block_bootstrap(sums, s, xp=np_xp, seed=4, resamples=300) for s in statistics]
    assert together == alone


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_of_several_statistics_only_the_undefined_one_is_missing():
    sums = np.stack([np.zeros(20), np.ones(20)])
    found = block_bootstraps(sums, (saving, relative_saving), xp=np_xp, seed=0, resamples=50)
    assert found[0] is not None
    assert found[1] is None
