"""Whole columns are converted exactly as the reference converts each value, or not at all."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.ingest.attributes import ATTRIBUTE_MAP
from netra.ingest.convert import FRACTION, NOT_IN_BULK, NUMBER, TEXT, UINT32, UINT64, Kind, plain
from netra.ingest.hashes import HASH_LIST
from netra.ingest.timestamps import MOMENT, offset

_KINDS = {
    "text": TEXT,
    "uint32": UINT32,
    "uint64": UINT64,
    "number": NUMBER,
    "fraction": FRACTION,
    "moment": MOMENT,
    "offset": offset(1000.0),
}
_NUMBERS = st.one_of(
    st.integers(-5, 2**33),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**53, 10**11, 10**14 - 1, 10**17, 10**18]),
)
_TIMES = st.sampled_from(
    [
        "2025-01-31T12:00:00Z",
        "2025-01-31 12:00:00.1234567",
        "2025-01-31T12:00:00.123456789+05:30",
        "2025-01-31",
        "2025-02-30T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2025-01-31T12:00:00-0130",
        "2025-01-31T24:00:00Z",
    ]
)
_TEXTS = st.one_of(
    st.sampled_from(["", "0", "12", " 7", "1e3", "1.0", "-1", "+4", "0x1F", "nan", "inf", "None"]),
    _NUMBERS.map(str),
    st.floats(0, 1e12).map(str),
    _TIMES,
    st.text(max_size=6),
)
_COLUMNS = st.one_of(
    st.lists(st.none() | _TEXTS).map(lambda v: pa.array(v, pa.string())),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)).map(lambda v: pa.array(v, pa.int64())),
    st.lists(st.none() | _NUMBERS.filter(lambda v: v < 2**63)).map(
        lambda v: pa.array(v, pa.int64())
    ),
    st.lists(st.none() | st.floats()).map(lambda v: pa.array(v, pa.float64())),
    st.lists(st.none() | st.floats(0, 2e18)).map(lambda v: pa.array(v, pa.float64())),
    st.lists(st.none() | st.booleans()).map(lambda v: pa.array(v, pa.bool_())),
    st.lists(st.none() | _TIMES).map(lambda v: pa.array(v, pa.string())),
)


def _one_by_one(kind: Kind, values: list[Any]) -> pa.Array | None:
    try:
        return pa.array([None if v is None else kind.one(v) for v in values], kind.type)
    except ValueError:
        return None


@pytest.mark.parametrize("name", _KINDS)
@settings(deadline=None)
@given(column=_COLUMNS)
def test_bulk_agrees_with_the_reference(name: str, column: pa.Array) -> None:
    kind = _KINDS[name]
    expected = _one_by_one(kind, column.to_pylist())
    try:
        found = kind.bulk(column)
    except NOT_IN_BULK:
        return  # then the reference decides
    assert found.type == kind.type
    assert expected is not None, f"bulk took {column.to_pylist()}"
    assert found.equals(expected), (found, expected)


@settings(deadline=None)
@given(st.lists(st.none() | st.lists(st.integers(0, 2**64 - 1))))
def test_hash_lists_from_arrow_and_from_json(lists: list[list[int] | None]) -> None:
    expected = [v or [] for v in lists]
    arrow = pa.array(lists, pa.list_(pa.uint64()))
    assert HASH_LIST.bulk(arrow).to_pylist() == expected
    assert HASH_LIST.bulk(pa.concat_arrays([arrow, arrow])[len(lists) :]).to_pylist() == expected
    text = pa.array(
        [None if v is None else f"[{', '.join(map(str, v))}]" for v in lists], pa.string()
    )
    assert HASH_LIST.bulk(text).to_pylist() == expected


#: A NUL is refused: `test_bad_files`.
_PLAIN = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3)


@settings(deadline=None)
@given(st.lists(st.none() | st.dictionaries(_PLAIN, _PLAIN, max_size=3)))
def test_attributes_from_arrow_and_from_json(maps: list[dict[str, str] | None]) -> None:
    expected = [m or {} for m in maps]
    type_ = pa.map_(pa.string(), pa.string())
    arrow = pa.array([None if m is None else list(m.items()) for m in maps], type_)
    assert [dict(m) for m in ATTRIBUTE_MAP.bulk(arrow).to_pylist()] == expected
    sliced = pa.concat_arrays([arrow, arrow])[len(maps) :]
    assert [dict(m) for m in ATTRIBUTE_MAP.bulk(sliced).to_pylist()] == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (3, "3"), (3.0, "3"), (0.5, "0.5"), (1e300, "1e+300"), ("x", "x")],
)
def test_scalars_as_text(value: Any, text: str) -> None:
    assert plain(value) == text


def test_hashes_that_a_float_cannot_hold_are_not_taken() -> None:
    with pytest.raises(ValueError, match="digits"):
        UINT64.bulk(pa.array([2.0**60]))
    with pytest.raises(ValueError, match="whole number"):
        UINT64.one(2.0**60)
