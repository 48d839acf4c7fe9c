"""Least squares with a prior: the most probable parameters of a model that is costly and rough.

Levenberg's damped Gauss-Newton steps (Quarterly of Applied Mathematics 2(2), 1944) on residuals
that are already divided by their standard deviations; the prior is normal and independent, one
more residual a parameter. Derivatives are central differences over a stated width, wide enough
to see over the jumps of a simulation. Cost: 2 p + 2 evaluations an iteration for p parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Floats

_FIRST_DAMPING = 1e-2
_MOST_DAMPING = 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class LeastSquares:
    """Where the search ended."""

    #: The parameters; shape (p,).
    at: Floats
    #: Half the sum of squares there, prior included.
    loss: float
    #: The covariance of the parameters in the linear approximation; shape (p, p).
    covariance: Floats
    #: Evaluations of the model.
    evaluations: int


def least_squares(
    residuals: Callable[[Floats], Floats],
    *,
    prior: Floats,
    deviation: Floats,
    width: Floats,
    iterations: int = 25,
    tolerance: float = 1e-4,
) -> LeastSquares:
    """The parameters of the least sum of squares, searched from the prior's mean.

    Args:
        residuals: of parameters of shape (p,), in standard deviations; shape (m,), m the same.
        prior: the means of the parameters; shape (p,).
        deviation: their standard deviations, above zero; shape (p,).
        width: half the distance over which differences are taken; shape (p,).
        iterations: at most so many steps that improve.
        tolerance: it ends when a step gains less than this share of the loss.

    Raises:
        ValueError: the shapes differ, or the residuals at the prior are not finite.
    """
    if prior.ndim != 1 or prior.shape != deviation.shape or prior.shape != width.shape:
        raise ValueError(f"shapes {prior.shape}, {deviation.shape} and {width.shape} differ")
    evaluations = 0

    def evaluated(at: Floats) -> Floats:
        nonlocal evaluations
        evaluations += 1
        return np.concatenate([residuals(at), (at - prior) / deviation])

    at = prior.astype(np.float64)
    now = evaluated(at)
    if not bool(np.all(np.isfinite(now))):
        raise ValueError("the residuals at the prior are not finite")
    loss, damping = _loss(now), _FIRST_DAMPING
    slopes = np.zeros((len(now), len(at)))
    for _ in range(iterations):
        slopes = _slopes(evaluated, at, width)
        gained = 0.0
        while damping < _MOST_DAMPING:
            trial = at - _step(slopes, now, damping)
            found = evaluated(trial)
            if _loss(found) < loss:
                gained = loss - _loss(found)
                at, now, loss = trial, found, _loss(found)
                damping /= 5
                break
            damping *= 4
        if gained < tolerance * loss:
            break
    covariance: Floats = np.linalg.inv(slopes.T @ slopes).astype(np.float64)
    return LeastSquares(at=at, loss=loss, covariance=covariance, evaluations=evaluations)


def _loss(residuals: Floats) -> float:
    total = 0.5 * float(residuals @ residuals)
    return total if np.isfinite(total) else float("inf")


def _slopes(evaluated: Callable[[Floats], Floats], at: Floats, width: Floats) -> Floats:
    columns: list[Floats] = []
    for k, half in enumerate(width):
        step = np.zeros_like(at)
        step[k] = half
        columns.append((evaluated(at + step) - evaluated(at - step)) / (2 * half))
    return np.stack(columns, axis=1)


def _step(slopes: Floats, residuals: Floats, damping: float) -> Floats:
    normal = slopes.T @ slopes
    damped = normal + damping * np.diag(np.diag(normal))
    return np.linalg.solve(damped, slopes.T @ residuals).astype(np.float64)
