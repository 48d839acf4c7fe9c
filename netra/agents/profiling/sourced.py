"""Figures and tables of one workload, each with the events that it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from netra.analysis.mean import MIN_VALUES, Mean
from netra.analysis.percentiles import Quantile, needed
from netra.analysis.proportion import Proportion
from netra.schemas.figure import Figure, Source, missing

QUERY = "visible events of the workload"
#: The level of every interval.
LEVEL = 0.9


def as_json(struct: msgspec.Struct) -> dict[str, Any]:
    """The struct as it comes back from a store: lists for tuples."""
    return msgspec.json.decode(msgspec.json.encode(struct))


@dataclass(frozen=True)
class Sourced:
    """Makes figures that name their source."""

    workload_id: str
    #: What narrows the events, e.g. `{"feature": "search"}`.
    filter: Mapping[str, Any] = field(default_factory=dict)

    def source(self, columns: Sequence[str]) -> Source:
        return Source(
            workload_id=self.workload_id,
            query=QUERY,
            columns=tuple(columns),
            filter=dict(self.filter),
        )

    def within(self, where: Mapping[str, Any]) -> Sourced:
        """The same for a part of the events."""
        return Sourced(self.workload_id, {**self.filter, **where})

    def exact(
        self, label: str, value: float, unit: str, n: int, method: str, *columns: str
    ) -> Figure:
        """A figure that is no estimate: it describes the events, and has no interval."""
        return Figure(
            label=label,
            value=value,
            unit=unit,
            n=n,
            method=f"{method}; exact for these events",
            source=self.source(columns),
            level=LEVEL,
        )

    def missing(self, label: str, unit: str, needs: Sequence[str], *columns: str) -> Figure:
        return missing(*needs, unit=unit, label=label, source=self.source(columns))

    def quantile(
        self, label: str, unit: str, found: Quantile | None, q: float, n: int, column: str
    ) -> Figure:
        """A percentile, or how many more events it would need."""
        if found is None:
            if not n:
                return self.missing(label, unit, [column], column)
            need = f"{needed(q, LEVEL)} events with {column}, there are {n}"
            return self.missing(label, unit, [need], column)
        return Figure(
            label=label,
            value=found.value,
            unit=unit,
            interval=(found.low, found.high),
            level=LEVEL,
            n=n,
            method=f"order statistic at {q:g}; interval between order statistics (binomial, no"
            " distribution assumed, requests taken as independent)",
            source=self.source([column]),
        )

    def mean(self, label: str, unit: str, found: Mean | None, n: int, column: str) -> Figure:
        if found is None:
            need = column if not n else f"{MIN_VALUES} events with {column}, there are {n}"
            return self.missing(label, unit, [need], column)
        return Figure(
            label=label,
            value=found.value,
            unit=unit,
            interval=(found.low, found.high),
            level=LEVEL,
            n=n,
            method="mean; normal interval, requests taken as independent",
            source=self.source([column]),
        )

    def proportion(self, label: str, found: Proportion, method: str, *columns: str) -> Figure:
        return Figure(
            label=label,
            value=found.value,
            unit="share",
            interval=(found.low, found.high),
            level=LEVEL,
            n=found.n,
            method=f"{method}; Wilson interval, requests taken as independent",
            source=self.source(columns),
        )

    def table(
        self,
        table_id: str,
        title: str,
        columns: Sequence[tuple[str, str]],
        rows: Sequence[Sequence[Any]],
        *,
        n: int,
        method: str,
        reads: Sequence[str],
    ) -> dict[str, Any]:
        """A table with the same provenance as a figure; columns are (name, unit)."""
        source = self.source(reads)
        return {
            "id": table_id,
            "title": title,
            "n": n,
            "method": method,
            "source": {
                "workload_id": source.workload_id,
                "query": source.query,
                "columns": list(source.columns),
                "filter": source.filter,
            },
            "columns": [{"name": name, "unit": unit} for name, unit in columns],
            "rows": [list(row) for row in rows],
        }
