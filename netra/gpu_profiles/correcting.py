"""The corrector of the package's predictions, from the measurements that ship with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.serving.correction import TPOT, TTFT, Conditions, Corrector, fit_corrector
from netra.analysis.serving.step_source import ErrorBand
from netra.gpu_profiles.installed import DISTRIBUTION, version
from netra.gpu_profiles.silicon import Measurement, measurements
from netra.gpu_profiles.steady import predictions_ms
from netra.gpu_profiles.store import Store

#: Changed when what is computed from the same package changes.
_EDITION: Final = 1
#: The share of measurements within one deviation of a normal law.
_WITHIN: Final = 0.683


@dataclass(frozen=True, kw_only=True, eq=False)
class Codes:
    """Names as numbers, the same in all conditions that are compared."""

    names: dict[str, dict[str, int]]

    def conditions(self, rows: Sequence[Measurement]) -> Conditions:
        """Names that were in no measurement are -1."""

        def coded(what: str, values: list[str]) -> Int64s:
            known = self.names[what]
            return np.array([known.get(value, -1) for value in values], np.int64)

        d = [row.deployed for row in rows]
        load = [(row.sequences, row.input_tokens, row.output_tokens) for row in rows]
        layout = [(one.tensor, one.data, max(one.expert_ranks, 1)) for one in d]
        return Conditions(
            model=coded("model", [row.architecture for row in rows]),
            engine=coded("engine", [one.engine for one in d]),
            version=coded("version", [row.version for row in rows]),
            gpu=coded("gpu", [one.gpu for one in d]),
            quantisation=coded("quantisation", [f"{one.gemm}/{one.experts}" for one in d]),
            load=np.array(load, np.float64).reshape(-1, 3),
            layout=np.array(layout, np.float64).reshape(-1, 3),
        )


def codes_of(rows: Sequence[Measurement]) -> Codes:
    """A number for each name. Rows whose version is not said are of one version, the unsaid one."""

    def numbered(values: list[str]) -> dict[str, int]:
        return {value: i for i, value in enumerate(sorted(set(values)))}

    d = [row.deployed for row in rows]
    return Codes(
        names={
            "model": numbered([row.architecture for row in rows]),
            "engine": numbered([one.engine for one in d]),
            "version": numbered([row.version for row in rows]),
            "gpu": numbered([one.gpu for one in d]),
            "quantisation": numbered([f"{one.gemm}/{one.experts}" for one in d]),
        }
    )


def configurations_of(rows: Sequence[Measurement]) -> Int64s:
    """A number for each configuration, shape (n,)."""
    numbers: dict[tuple[object, ...], int] = {}
    return np.array([numbers.setdefault(row.configuration, len(numbers)) for row in rows], np.int64)


@dataclass(frozen=True, eq=False)
class Silicon:
    """The measurements, what the package predicts of them, and what was learnt from the two."""

    rows: list[Measurement]
    #: Time to first token and per output token, ms; shape (n, 2).
    predicted: Floats
    store: Store

    @cached_property
    def codes(self) -> Codes:
        return codes_of(self.rows)

    @cached_property
    def tpot(self) -> Corrector:
        """Of times per output token; learnt once, then read from disk."""
        measured = np.array([row.tpot_ms for row in self.rows])
        log_ratio = np.log(measured / self.predicted[:, 1])
        conditions, configuration = self.codes.conditions(self.rows), configurations_of(self.rows)
        fitted: list[Corrector] = []

        def fit() -> dict[str, Floats]:
            one = fit_corrector(conditions, log_ratio, configuration, TPOT)
            fitted.append(one)
            return {
                "mean": np.array([one.mean]),
                "weights": one.weights,
                "left_out": one.left_out,
            }

        held = self.store.get(_key("corrector"), fit)
        return fitted[0] if fitted else Corrector(
            conditions=conditions,
            mean=float(held["mean"][0]),
            weights=held["weights"],
            spread=TPOT,
            left_out=held["left_out"],
            log_ratio=log_ratio,
        )  # fmt: skip

    def log_factor(self, asked: Measurement, sequences: Sequence[int]) -> float:
        """The mean correction (log) of step times at these numbers of sequences; 0 for a model
        that was never measured."""
        d = asked.deployed
        at = [replace(asked, concurrency=count * d.data) for count in sequences]
        return float(self.tpot.log_factor(self.codes.conditions(at)).mean())

    def error(self, asked: Measurement) -> ErrorBand:
        """How far predictions are off for that architecture and engine, as narrowly as there are
        measurements to say it; for one that was never measured, as far as uncorrected ones are."""
        ttft = np.log(np.array([row.ttft_ms for row in self.rows]) / self.predicted[:, 0])
        where, chosen, tpot = "", np.ones(len(self.rows), np.bool_), self.tpot.log_ratio
        same = np.array([row.architecture == asked.architecture for row in self.rows])
        if same.any():
            tpot, chosen, where = self.tpot.residuals, same, f" of {asked.architecture}"
            engine = same & np.array(
                [row.deployed.engine == asked.deployed.engine for row in self.rows]
            )
            if len(set(configurations_of(self.rows)[engine])) >= 3:
                chosen, where = engine, where + f" with {asked.deployed.engine}"
        how = "corrected, each configuration left out" if same.any() else "uncorrected"
        return ErrorBand(
            tpot=float(np.quantile(np.abs(tpot[chosen]), _WITHIN)),
            ttft=float(np.quantile(np.abs(ttft[chosen]), _WITHIN)),
            basis=f"measured servers{where} that ship with {DISTRIBUTION} {version()},"
            f" TPOT {how}, TTFT uncorrected",
            n=int(np.count_nonzero(chosen)),
        )


def silicon(store: Store) -> Silicon:
    """The measurements of which the package predicts something; its predictions are kept on disk.

    Raises:
        InsufficientData: the extra is not installed.
    """
    rows = measurements()
    predicted = store.get(_key("predictions"), lambda: {"ms": predictions_ms(rows)})["ms"]
    known = np.isfinite(predicted.sum(axis=1))
    return Silicon([row for row, is_known in zip(rows, known, strict=True) if is_known],
                   predicted[known], store)  # fmt: skip


def _key(what: str) -> dict[str, object]:
    spreads: dict[str, object] = {"tpot": repr(TPOT), "ttft": repr(TTFT)}
    return {"what": what, "package": version(), "edition": _EDITION} | spreads
