"""Events written in Netra's own schema come back as they were, from all three containers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.errors import InvalidInput
from netra.ingest.schema import EVENT_SCHEMA
from netra.ingest.write import container_of, write_events
from tests.unit.ingest.traces import read_table

#: A NUL is refused: `test_bad_files`.
_CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
_TEXT = st.text(_CHARACTERS, max_size=12)
_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    pa.string(): _TEXT,
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats(0, 1e15),
}
_FIXED: dict[str, st.SearchStrategy[Any]] = {
    "ts": st.datetimes(datetime(1971, 2, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "event_id": st.text(_CHARACTERS, min_size=1, max_size=12),
    # A part is at most the whole.
    "input_tokens": st.none() | st.integers(2**31, 2**32 - 1),
    "output_tokens": st.none() | st.integers(2**31, 2**32 - 1),
    "cached_input_tokens": st.none() | st.integers(0, 2**31),
    "reasoning_tokens": st.none() | st.integers(0, 2**31),
    "quality": st.none() | st.floats(0, 1),
    "prefix_hashes": st.lists(st.integers(0, 2**64 - 1), max_size=4),
    "attributes": st.dictionaries(_TEXT, _TEXT, max_size=3).map(lambda d: list(d.items())),
}
_EVENT = st.fixed_dictionaries(
    {f.name: _FIXED.get(f.name, st.none() | _BY_TYPE.get(f.type, st.none())) for f in EVENT_SCHEMA}
)


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "attributes": dict(row["attributes"])} for row in rows]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@settings(deadline=None)
@given(events=st.lists(_EVENT, min_size=1, max_size=6))
def test_round_trip(tmp_path_factory, suffix: str, events: list[dict[str, Any]]) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / f"round-trip.{suffix}"
    batch = pa.RecordBatch.from_pylist(events, EVENT_SCHEMA)
    assert write_events(path, [batch.slice(0, 1), batch.slice(1)]) == len(events)
    found = read_table(path).drop_columns("row")
    assert found.schema == EVENT_SCHEMA
    assert _plain(found.to_pylist()) == _plain(batch.to_pylist())


def test_the_name_says_the_container() -> None:
    assert container_of(Path("a.parquet")) == "parquet"
    with pytest.raises(InvalidInput, match=r"a\.xlsx"):
        container_of(Path("a.xlsx"))
