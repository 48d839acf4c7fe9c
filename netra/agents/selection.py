"""Which events a `where` of the goal selects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.agents.columns import Mask, column, is_known
from netra.schemas.goal import ANY, Goal


def selected(batch: pa.RecordBatch, where: Mapping[str, Any]) -> Mask:
    """The rows on which every column of `where` has its value; `"*"`: any known value."""
    rows = np.ones(batch.num_rows, dtype=bool)
    for name, wanted in where.items():
        if wanted == ANY:
            rows &= is_known(batch, name)
        else:
            rows &= _equal(batch, name, wanted)
    return rows


def _equal(batch: pa.RecordBatch, name: str, wanted: Any) -> Mask:
    values = column(batch, name)
    if values is None:
        return np.zeros(batch.num_rows, dtype=bool)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        wanted = str(wanted)
    same = pc.equal(values, pa.scalar(wanted))
    return np.asarray(pc.fill_null(same, False), dtype=bool)


def in_words(where: Mapping[str, Any]) -> str:
    """`feature 'search'`, `a known tool_name`; for a message."""
    return ", ".join(f"a known {c}" if v == ANY else f"{c} {v!r}" for c, v in where.items())


def selections(goal: Goal) -> list[dict[str, Any]]:
    """The distinct selections that the goal names, in order; never the empty one."""
    about = goal.about.get("where") or {}
    wheres: Iterable[Mapping[str, Any]] = [
        *(o.where for o in goal.objectives),
        *(c.where for c in goal.constraints),
        about,
    ]
    found: list[dict[str, Any]] = []
    for where in wheres:
        if where and dict(where) not in found:
            found.append(dict(where))
    return found
