"""What profiles are off by, learnt from measured servers: shrinkage over what is alike.

The logarithm of measured over predicted is a Gaussian process (Rasmussen & Williams, *Gaussian
Processes for Machine Learning*, MIT Press 2006, ch. 2). Its covariance is a sum of equal parts,
each of which ties rows that share something - the engine, the model, the GPU, the version - and
fades as their load and their layout differ (Matern 3/2). A configuration that was never measured
is so pulled towards what its model does on that engine, that towards the engine, and that towards
nothing.

Rows that do not fit weigh less (Charbonnier weights, three rounds of reweighted least squares),
since public measurements hold runs with speculative decoding and other unsaid things. What the fit
says of a configuration when that one is left out follows from one inverse (ibid., eq. 5.12, by
blocks): no refitting. Cost: O(n^3), 2,600 rows in seconds.

A model that is in no row is not corrected: measured, that is better than what other models suggest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from netra.analysis.compiled import Bools, Floats, Int64s
from netra.errors import InsufficientData

#: Log units over which two loads (sequences, input, output) and two layouts (tensor, data, expert
#: ranks) stop being alike.
_LOAD_SCALES: Final = np.array([2.0, 1.5, 1.5])
_LAYOUT_SCALES: Final = np.array([1.2, 1.2, 1.2])
_PARTS = 8
_ROUNDS = 3
#: Fewer configurations teach nothing of one that is not among them.
LEAST_CONFIGURATIONS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far measurements lie around predictions, before anything is learnt (log units)."""

    #: Standard deviation of what is learnt, and of what is not (noise of a measurement).
    signal: float
    noise: float
    #: Deviations from which on a row weighs less.
    outlier: float


#: Of times per output token, and of times to first token, which hold the queueing of the server.
TPOT: Final = Spread(signal=0.4, noise=0.07, outlier=0.15)
TTFT: Final = Spread(signal=1.0, noise=0.22, outlier=0.40)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """What servers ran, and under what load; the same codes mean the same thing in all rows."""

    #: Codes, shape (n,): of the model's architecture, the engine, its version, the GPU, the
    #: quantisation. Equal codes are the same thing; -1 is like nothing else.
    model: Int64s
    engine: Int64s
    version: Int64s
    gpu: Int64s
    quantisation: Int64s
    #: Sequences of a rank, input tokens, output tokens; shape (n, 3), positive.
    load: Floats
    #: GPUs that share a layer, ranks in lockstep, ranks over which experts lie; shape (n, 3).
    layout: Floats

    def __len__(self) -> int:
        return len(self.model)

    def rows(self, chosen: Int64s | Bools) -> Conditions:
        """Those rows alone."""
        return Conditions(
            model=self.model[chosen],
            engine=self.engine[chosen],
            version=self.version[chosen],
            gpu=self.gpu[chosen],
            quantisation=self.quantisation[chosen],
            load=self.load[chosen],
            layout=self.layout[chosen],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Corrector:
    """What was learnt."""

    conditions: Conditions
    #: The factor of a row that is like nothing known (log), and what each known row adds.
    mean: float
    weights: Floats
    spread: Spread
    #: For each known row: what would be predicted of it without its configuration (log).
    left_out: Floats
    #: Measured over predicted, of each known row (log).
    log_ratio: Floats
    #: How far, by its own account, each of `left_out` may be off (one deviation, log); and the
    #: inverse that says so of others, shape (n, n). None where only factors were kept.
    left_out_deviation: Floats | None = None
    inverse: Floats | None = None

    def log_factor(self, asked: Conditions) -> Floats:
        """What predictions are to be multiplied with (log); 0 for models that are in no row."""
        drawn = self.mean + self._across(asked) @ self.weights
        return np.where(self.knows(asked), drawn, 0.0)

    def deviation(self, asked: Conditions) -> Floats:
        """How far a corrected prediction of known models may be off (one deviation, log).

        Raises:
            ValueError: only factors were kept.
        """
        if self.inverse is None:
            raise ValueError("this corrector kept its factors alone")
        across = self._across(asked)
        explained = np.sum((across @ self.inverse) * across, axis=1)
        return np.sqrt(self.spread.signal**2 - explained + self.spread.noise**2)

    def _across(self, asked: Conditions) -> Floats:
        return self.spread.signal**2 * covariance(asked, self.conditions)

    def knows(self, asked: Conditions) -> Bools:
        """Which of the asked models are in a row."""
        return np.isin(asked.model, self.conditions.model) & (asked.model >= 0)

    @property
    def residuals(self) -> Floats:
        """Measured over corrected (log), of configurations that were left out."""
        return self.log_ratio - self.left_out


def fit_corrector(
    conditions: Conditions, log_ratio: Floats, configuration: Int64s, spread: Spread
) -> Corrector:
    """The corrector of these rows.

    Args:
        conditions: of n measurements.
        log_ratio: log(measured / predicted), shape (n,).
        configuration: which rows are of one configuration, shape (n,): left out together.
        spread: what to expect of such ratios.

    Raises:
        InsufficientData: too few configurations.
    """
    groups = np.unique(configuration)
    if len(groups) < LEAST_CONFIGURATIONS:
        raise InsufficientData(
            f"{len(groups)} measured configurations",
            needs=[f"measurements of at least {LEAST_CONFIGURATIONS} configurations"],
        )
    variance, noise = spread.signal**2, spread.noise**2
    kernel: Floats = variance * covariance(conditions, conditions)
    mean = float(np.median(log_ratio))
    doubt = np.full(len(log_ratio), noise)
    inverse = _inverse(kernel, doubt)
    for _ in range(_ROUNDS - 1):
        missed = doubt * (inverse @ (log_ratio - mean))
        doubt = noise * np.sqrt(1.0 + (missed / spread.outlier) ** 2)
        inverse = _inverse(kernel, doubt)
    weights: Floats = inverse @ (log_ratio - mean)
    left_out, deviation = np.empty_like(log_ratio), np.empty_like(log_ratio)
    for group in groups:
        own = np.flatnonzero(configuration == group)
        block = np.asarray(np.linalg.inv(inverse[np.ix_(own, own)]), np.float64)
        left_out[own] = log_ratio[own] - block @ weights[own]
        deviation[own] = np.sqrt(np.diag(block))
    return Corrector(
        conditions=conditions,
        mean=mean,
        weights=weights,
        spread=spread,
        left_out=left_out,
        log_ratio=log_ratio,
        left_out_deviation=deviation,
        inverse=inverse,
    )


def _inverse(kernel: Floats, doubt: Floats) -> Floats:
    """The inverse of a covariance with that much noise on its diagonal."""
    return np.asarray(np.linalg.inv(kernel + np.diag(doubt)), np.float64)


def covariance(one: Conditions, other: Conditions) -> Floats:
    """How alike two sets of conditions are, 0 to 1, shape (n, m): the mean of eight parts."""

    def same(name: str) -> Floats:
        mine, others = getattr(one, name), getattr(other, name)
        return ((mine[:, None] == others[None, :]) & (mine[:, None] >= 0)).astype(np.float64)

    load = _matern(np.log(one.load) / _LOAD_SCALES, np.log(other.load) / _LOAD_SCALES)
    layout = _matern(np.log(one.layout) / _LAYOUT_SCALES, np.log(other.layout) / _LAYOUT_SCALES)
    engine, model = same("engine"), same("model")
    version = engine * same("version")
    both = engine * model
    here = both * same("gpu")
    total = 1.0 + engine + model + both * layout + here
    total += here * same("quantisation") * layout
    total += both * version * (0.5 + 0.5 * layout) + version
    return load * total / _PARTS


def _matern(one: Floats, other: Floats) -> Floats:
    """The Matern covariance of smoothness 3/2 between points; shapes (n, d), (m, d)."""
    squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1)[None, :]
    apart = np.sqrt(np.maximum(squares - 2.0 * one @ other.T, 0.0))
    return (1.0 + apart) * np.exp(-apart)
