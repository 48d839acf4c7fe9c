"""What the traffic's metrics are today: each metric that a goal names, where it names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from netra.agents.columns import Floats, concatenate, is_known, numbers
from netra.agents.selection import selected
from netra.analysis.mean import MIN_VALUES, mean
from netra.analysis.percentiles import needed, quantiles
from netra.analysis.proportion import wilson
from netra.schemas.figure import Figure, Source, missing

#: Events whose status is one of these were served.
_SERVED = frozenset({"ok", "success", "200"})
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass
class _Sample:
    """The values of one metric on the events of one selection."""

    metric: str
    where: Mapping[str, Any]
    events: int = 0
    values: list[Floats] = field(default_factory=list)

    @property
    def column(self) -> str:
        """The event column that the metric is computed from."""
        if self.metric.startswith("latency"):
            return "latency_ms"
        if self.metric.startswith("ttft"):
            return "ttft_ms"
        return {"error_rate": "status", "cost": "cost_usd"}.get(self.metric, self.metric)


class Measures:
    """Collects what is needed for several metrics in one pass over the events."""

    def __init__(self, wanted: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        self._samples: list[_Sample] = []
        for metric, where in wanted:
            if self._find(metric, where) is None:
                self._samples.append(_Sample(metric=metric, where=dict(where)))

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the values of one batch."""
        for sample in self._samples:
            rows = selected(batch, sample.where)
            sample.events += int(rows.sum())
            if sample.metric == "usage":
                continue
            if sample.metric == "error_rate":
                known = is_known(batch, "status") & rows
                said = batch.column("status").to_pylist() if known.any() else []
                failed = [said[i] not in _SERVED for i in np.flatnonzero(known)]
                sample.values.append(np.asarray(failed, dtype=np.float64))
                continue
            values = numbers(batch, sample.column)[rows]
            sample.values.append(values[~np.isnan(values)])

    def figure(self, metric: str, where: Mapping[str, Any], workload_id: str) -> Figure:
        """The metric's value on all events of the selection, with its interval."""
        sample = self._find(metric, where)
        if sample is None:
            raise KeyError(f"{metric} of {dict(where)} was not collected")
        values = concatenate(sample.values, np.float64)
        source = Source(
            workload_id=workload_id,
            query="all events" if not where else "events of the selection",
            columns=() if metric == "usage" else (sample.column,),
            filter=dict(where),
        )
        label = f"today: {metric_name(metric)}{where_text(where)}"
        if where and not sample.events:
            return missing(
                f"events{where_text(where)}", unit=unit_of(metric), source=source, label=label
            )
        return _figure(metric, sample, values, source, label)

    def _find(self, metric: str, where: Mapping[str, Any]) -> _Sample | None:
        return next(
            (s for s in self._samples if s.metric == metric and s.where == dict(where)), None
        )


def _figure(metric: str, sample: _Sample, values: Floats, source: Source, label: str) -> Figure:
    unit = unit_of(metric)
    if metric == "usage":
        return Figure(value=float(sample.events), unit=unit, n=sample.events, source=source,
                      method="number of events", label=label)  # fmt: skip
    if not len(values):
        return missing(sample.column, unit=unit, source=source, label=label)
    if metric == "cost":
        return _paid(sample, values, source, label)
    if metric == "error_rate":
        share = wilson(int(values.sum()), len(values))
        return Figure(value=share.value, unit=unit, interval=(share.low, share.high),
                      level=share.level, n=share.n, source=source, label=label,
                      method="share of events whose status is not ok, Wilson interval")  # fmt: skip
    kind = metric.split("_")[1] if "_" in metric else "mean"
    if kind in _QUANTILES:
        q = _QUANTILES[kind]
        (found,) = quantiles(values, [q])
        if found is None:
            need = f"{sample.column} of at least {needed(q)} events, there are {len(values)}"
            return missing(need, unit=unit, source=source, label=label)
        method = f"{kind} of {sample.column}, interval from order statistics"
    else:
        found = mean(values)
        if found is None:
            need = f"{sample.column} of at least {MIN_VALUES} events, there are {len(values)}"
            return missing(need, unit=unit, source=source, label=label)
        method = f"mean of {sample.column}, normal interval"
    return Figure(value=found.value, unit=unit, interval=(found.low, found.high),
                  level=found.level, n=found.n, method=method, source=source,
                  label=label)  # fmt: skip


def _paid(sample: _Sample, values: Floats, source: Source, label: str) -> Figure:
    """What was paid, only if every event says so: a partial sum would look like a total."""
    if len(values) < sample.events:
        need = f"cost_usd of every event, it is known on {len(values)} of {sample.events}"
        return missing(need, unit="USD", source=source, label=label)
    return Figure(value=float(values.sum()), unit="USD", n=len(values), source=source, label=label,
                  method="sum of the recorded cost_usd")  # fmt: skip


def unit_of(metric: str) -> str:
    """The unit of a metric's values."""
    if metric.endswith("_ms"):
        return "ms"
    return {"cost": "USD", "usage": "events"}.get(metric, "share")


def metric_name(metric: str) -> str:
    """The metric as a person calls it: `latency_p95_ms` is `p95 latency`."""
    if metric.endswith("_ms"):
        kind, stat, _ = metric.split("_")
        return f"{stat} {'time to first token' if kind == 'ttft' else kind}"
    return metric.replace("_", " ")


def where_text(where: Mapping[str, Any]) -> str:
    """The selection as words, with a space before; nothing where everything is selected."""
    if not where:
        return ""
    parts = (f"any {c}" if v == "*" else f"{c} {v}" for c, v in where.items())
    return f" of {', '.join(parts)}"
