"""Columns of event batches as NumPy arrays: unknown numbers are NaN, unknown texts have code -1."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


def column(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """The column, or None where the batch has none: then all of it is unknown."""
    at = batch.schema.get_field_index(name)
    return None if at < 0 else batch.column(at)


def numbers(batch: pa.RecordBatch, name: str) -> Floats:
    """A numeric column as float64, NaN where it is unknown; shape (rows,)."""
    values = column(batch, name)
    if values is None:
        return np.full(batch.num_rows, np.nan)
    if values.null_count == len(values):
        return np.full(len(values), np.nan)
    as_floats = pc.cast(values, pa.float64())
    return np.asarray(pc.fill_null(as_floats, float("nan")), dtype=np.float64)


def times(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """`ts` in microseconds since 1970; shape (rows,)."""
    values = pc.cast(batch.column("ts"), pa.timestamp("us", "UTC"))
    return np.asarray(pc.cast(values, pa.int64()), dtype=np.int64)


def is_known(batch: pa.RecordBatch, name: str) -> Mask:
    """Where the column is known; an empty list is unknown, as no list is NULL."""
    values = column(batch, name)
    if values is None and name == "prefix_hashes":
        return numbers(batch, "prefix_blocks") > 0
    if values is None:
        return np.zeros(batch.num_rows, dtype=bool)
    known = np.asarray(pc.is_valid(values), dtype=bool)
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        lengths: npt.NDArray[np.int64] = np.asarray(
            pc.fill_null(pc.list_value_length(values), 0), dtype=np.int64
        )
        known &= lengths > 0
    elif pa.types.is_map(values.type):
        offsets: npt.NDArray[np.int64] = np.asarray(values.offsets, dtype=np.int64)
        known &= np.diff(offsets) > 0
    return known


class Vocabulary:
    """The distinct texts of a column over all batches, each with a code in order of appearance.

    Beyond `limit` distinct texts the rest share one more code, so that memory stays bounded.
    """

    #: What the shared code of the rest is called.
    OTHERS = "(others)"

    def __init__(self, limit: int = 1_000_000) -> None:
        self._codes: dict[str, int] = {}
        self._limit = limit
        self.overflowed = False

    def __len__(self) -> int:
        """How many texts have a code of their own."""
        return len(self._codes)

    @property
    def texts(self) -> list[str]:
        """The texts by code."""
        return [*self._codes, self.OTHERS] if self.overflowed else list(self._codes)

    def encode(self, batch: pa.RecordBatch, name: str) -> Codes:
        """The codes of a text column, -1 where it is unknown; shape (rows,)."""
        values = column(batch, name)
        if values is None or values.null_count == len(values):
            return np.full(batch.num_rows, -1, dtype=np.int32)
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        of_batch = np.array([self._code(t) for t in values.dictionary.to_pylist()], dtype=np.int32)
        indices = np.asarray(pc.fill_null(pc.cast(values.indices, pa.int64()), -1))
        return np.where(indices < 0, np.int32(-1), of_batch[indices])

    def _code(self, text: str | None) -> int:
        if text is None:
            return -1
        code = self._codes.get(text)
        if code is None:
            if len(self._codes) >= self._limit:
                self.overflowed = True
                return self._limit
            code = self._codes[text] = len(self._codes)
        return code


def concatenate(parts: Iterable[npt.NDArray[np.generic]], dtype: npt.DTypeLike) -> npt.NDArray:
    """One array of all parts, also when there are none."""
    found = list(parts)
    return np.concatenate(found).astype(dtype, copy=False) if found else np.empty(0, dtype)
