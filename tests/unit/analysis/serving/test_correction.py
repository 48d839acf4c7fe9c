"""The corrector on measurements whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.serving.correction import (
    TPOT,
    Conditions,
    covariance,
    fit_corrector,
)
from netra.errors import InsufficientData

MODELS, ENGINES, CONFIGURATIONS, LOADS = 4, 2, 40, 6


def drawn(seed: int) -> tuple[Conditions, np.ndarray, np.ndarray]:
    """Ratios that hang on the model, the engine and the load, and some noise; one of twenty off."""
    rng = np.random.default_rng(seed)
    n = CONFIGURATIONS * LOADS
    configuration = np.repeat(np.arange(CONFIGURATIONS), LOADS)
    model = rng.integers(0, MODELS, CONFIGURATIONS)[configuration]
    engine = rng.integers(0, ENGINES, CONFIGURATIONS)[configuration]
    tensor = 2.0 ** rng.integers(0, 4, CONFIGURATIONS)[configuration]
    sequences = 4.0 * 2.0 ** np.tile(np.arange(LOADS), CONFIGURATIONS)
    of_model = rng.normal(0, 0.3, (MODELS, ENGINES))
    truth = of_model[model, engine] + 0.05 * np.log(sequences / 16)
    noisy = truth + rng.normal(0, 0.03, n) + np.where(rng.random(n) < 0.05, -0.8, 0.0)
    ones = np.ones(n)
    conditions = Conditions(
        model=model,
        engine=engine,
        version=np.zeros(n, np.int64),
        gpu=np.zeros(n, np.int64),
        quantisation=np.zeros(n, np.int64),
        load=np.stack([sequences, 1024 * ones, 1024 * ones], axis=1),
        layout=np.stack([tensor, ones, ones], axis=1),
    )
    return conditions, noisy, configuration


@pytest.mark.parametrize("seed", range(3))
def test_configurations_that_were_left_out_get_closer(seed: int) -> None:
    conditions, ratio, configuration = drawn(seed)
    held = configuration >= CONFIGURATIONS - 10
    fitted = fit_corrector(conditions.rows(~held), ratio[~held], configuration[~held], TPOT)
    left = np.abs(ratio[held] - fitted.log_factor(conditions.rows(held)))
    assert np.median(left) < 0.4 * np.median(np.abs(ratio[held]))
    assert np.median(left) < 0.08


def test_one_inverse_says_what_refitting_would() -> None:
    """Where no row is doubted, leaving a configuration out in one inverse equals a fit without."""
    conditions, ratio, configuration = drawn(7)
    spread = type(TPOT)(signal=0.4, noise=0.1, outlier=1e9)
    fitted = fit_corrector(conditions, ratio, configuration, spread)
    for one in (0, 11, 39):
        own = configuration == one
        rest = np.flatnonzero(~own)
        kernel = 0.16 * covariance(conditions.rows(rest), conditions.rows(rest))
        mean = np.median(ratio)
        weights = np.linalg.solve(kernel + 0.01 * np.eye(len(rest)), ratio[rest] - mean)
        across = 0.16 * covariance(conditions.rows(own), conditions.rows(rest))
        assert fitted.left_out[own] == pytest.approx(mean + across @ weights, abs=1e-8)
        inverse = np.linalg.inv(kernel + 0.01 * np.eye(len(rest)))
        left = 0.16 - np.sum((across @ inverse) * across, axis=1) + 0.01
        assert fitted.left_out_deviation is not None
        assert fitted.left_out_deviation[own] == pytest.approx(np.sqrt(left), abs=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_what_may_be_off_is_foretold(seed: int) -> None:
    """Not so well where a part of the rows is off for no reason, so a half to nearly all."""
    conditions, ratio, configuration = drawn(seed)
    held = configuration >= CONFIGURATIONS - 10
    fitted = fit_corrector(conditions.rows(~held), ratio[~held], configuration[~held], TPOT)
    off = np.abs(ratio[held] - fitted.log_factor(conditions.rows(held)))
    within = float(np.mean(off <= fitted.deviation(conditions.rows(held))))
    assert 0.5 < within < 0.999


def test_models_that_were_never_measured_are_not_corrected() -> None:
    conditions, ratio, configuration = drawn(1)
    own = conditions.model == 2
    fitted = fit_corrector(conditions.rows(~own), ratio[~own], configuration[~own], TPOT)
    assert np.all(fitted.log_factor(conditions.rows(own)) == 0.0)
    assert np.any(fitted.log_factor(conditions.rows(~own)) != 0.0)


def test_names_that_are_not_known_are_like_nothing() -> None:
    conditions, ratio, configuration = drawn(1)
    fitted = fit_corrector(conditions, ratio, configuration, TPOT)
    unknown = Conditions(
        **{name: np.full(1, -1, np.int64) for name in ("model", "engine", "version", "gpu")},
        quantisation=np.full(1, -1, np.int64),
        load=np.ones((1, 3)),
        layout=np.ones((1, 3)),
    )
    assert fitted.log_factor(unknown).tolist() == [0.0]
    assert covariance(unknown, unknown)[0, 0] == pytest.approx(1 / 8)


def test_a_row_is_wholly_like_itself_and_the_covariance_is_one() -> None:
    conditions, _, _ = drawn(3)
    both = covariance(conditions, conditions)
    assert np.diag(both) == pytest.approx(np.ones(len(conditions)), abs=1e-6)
    assert np.allclose(both, both.T)
    assert float(np.linalg.eigvalsh(both + 1e-6 * np.eye(len(both))).min()) > 0


def test_few_configurations_teach_nothing() -> None:
    conditions, ratio, configuration = drawn(1)
    few = configuration < 9
    with pytest.raises(InsufficientData, match="9 measured configurations"):
        fit_corrector(conditions.rows(few), ratio[few], configuration[few], TPOT)
