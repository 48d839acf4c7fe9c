"""Least squares with a prior, where the answer is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.compiled import Floats
from netra.analysis.serving.least_squares import least_squares

PRIOR = np.array([1.0, -2.0])
DEVIATION = np.array([0.5, 2.0])
WIDTH = np.full(2, 0.01)


def test_a_linear_model_has_the_answer_of_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    design, seen = rng.normal(size=(20, 2)), rng.normal(size=20)

    def residuals(at: Floats) -> Floats:
        return design @ at - seen

    found = least_squares(residuals, prior=PRIOR, deviation=DEVIATION, width=WIDTH)
    precision = design.T @ design + np.diag(1 / DEVIATION**2)
    exact = np.linalg.solve(precision, design.T @ seen + PRIOR / DEVIATION**2)
    np.testing.assert_allclose(found.at, exact, atol=1e-3)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(precision), rtol=1e-6)


def test_without_residuals_the_prior_stays() -> None:
    found = least_squares(lambda at: np.zeros(0), prior=PRIOR, deviation=DEVIATION, width=WIDTH)
    assert found.at.tolist() == PRIOR.tolist()
    np.testing.assert_allclose(found.covariance, np.diag(DEVIATION**2))


def test_a_bent_valley_is_followed_to_its_end() -> None:
    # Rosenbrock's function, whose least value is at (1, 1).
    def residuals(at: Floats) -> Floats:
        return 1e3 * np.array([10 * (at[1] - at[0] ** 2), 1 - at[0]])

    found = least_squares(
        residuals,
        prior=np.array([-1.2, 1.0]),
        deviation=np.full(2, 100.0),
        width=np.full(2, 1e-4),
        iterations=200,
        tolerance=1e-12,
    )
    np.testing.assert_allclose(found.at, [1.0, 1.0], atol=1e-3)


def test_a_trial_that_cannot_be_evaluated_is_not_taken() -> None:
    def residuals(at: Floats) -> Floats:
        return np.log(at) * 10 if at[0] > 0 else np.array([np.nan])

    found = least_squares(
        residuals, prior=np.array([5.0]), deviation=np.array([50.0]), width=np.array([0.01])
    )
    assert found.at[0] == pytest.approx(1.0, abs=0.01)


def test_wrong_shapes_and_a_prior_that_cannot_be_evaluated_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        least_squares(lambda at: at, prior=PRIOR, deviation=DEVIATION[:1], width=WIDTH)
    with pytest.raises(ValueError, match="not finite"):
        least_squares(lambda at: at * np.nan, prior=PRIOR, deviation=DEVIATION, width=WIDTH)
