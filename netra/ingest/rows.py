"""A block of a file's rows as they stand there, and their typed reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest import attributes
from netra.ingest.convert import NOT_IN_BULK, NUL, Kind
from netra.ingest.problems import Problems

#: A column as Arrow parsed it, or as Python values where Arrow could not.
Values = pa.Array | list[Any]


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; not copied if it is."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


class Rows:
    """Columns as the file has them; what is wrong with a value is noted with its place."""

    def __init__(
        self,
        columns: Mapping[str, Values],
        count: int,
        place: Callable[[int], str],
        problems: Problems,
        end_byte: int,
    ) -> None:
        self.columns = columns
        self.count = count
        #: Where row `i` of this block stands in the file: `line 7`, `row 7`.
        self.place = place
        self.problems = problems
        #: Bytes of the file up to the end of this block (about, in a Parquet file).
        self.end_byte = end_byte

    def get(self, name: str, kind: Kind, *, required: bool = False) -> pa.Array:
        """Column `name` as `kind`; unknown (NULL) where the file does not say.

        Bad values, and missing ones that are `required`, are noted, and NULL in the answer.
        """
        values = self.columns.get(name)
        if values is None:
            values = pa.nulls(self.count)
        array = self._in_bulk(values, kind)
        if array is None:
            array = self._one_by_one(name, values, kind, required)
        elif required and array.null_count:
            self._note_missing(name, array, kind)
        return array

    def rest(self, used: Collection[str]) -> pa.Array:
        """The columns that are not `used`, as attributes."""
        names = [name for name in self.columns if name not in used]
        for name in names:
            if NUL in name:
                self._note_name(name)
        return attributes.from_columns(
            {name: self.get(name, attributes.REST) for name in names}, self.count
        )

    def note(self, bad: pa.Array, name: str, problem: str, got: pa.Array, expected: str) -> None:
        """Notes a problem in column `name` for each row where `bad` is true."""
        for i in pc.fill_null(bad, False).to_numpy(zero_copy_only=False).nonzero()[0]:
            row = int(i)
            where = f"{self.place(row)}, column {name}"
            self.problems.add(where, problem, got[row].as_py(), expected)

    def _in_bulk(self, values: Values, kind: Kind) -> pa.Array | None:
        if isinstance(values, list):
            return None
        try:
            return kind.bulk(values)
        except NOT_IN_BULK:
            return None

    def _one_by_one(self, name: str, values: Values, kind: Kind, required: bool) -> pa.Array:
        out: list[Any] = []
        for i, value in enumerate(values if isinstance(values, list) else values.to_pylist()):
            out.append(None)
            if value is None:
                if required:
                    self._note(i, name, "is missing", None, kind)
                continue
            try:
                out[-1] = kind.one(value)
            except ValueError as e:
                self._note(i, name, str(e), value, kind)
        array = pa.array(out, kind.type)
        # Lists and maps say "unknown" by being empty: the bulk conversion settles that.
        return kind.bulk(array) if pa.types.is_nested(kind.type) else array

    def _note_name(self, name: str) -> None:
        """Notes that a column cannot be called that, where it first says something."""
        values = self.columns[name]
        known = [v is not None for v in values] if isinstance(values, list) else values.is_valid()
        first = next((i for i, there in enumerate(known) if bool(there)), 0)
        problem = "the column's name holds a NUL character (U+0000); rename it"
        self.problems.add(self.place(first), problem, repr(name))

    def _note_missing(self, name: str, array: pa.Array, kind: Kind) -> None:
        self.note(array.is_null(), name, "is missing", array, kind.expected)

    def _note(self, i: int, name: str, problem: str, got: Any, kind: Kind) -> None:
        self.problems.add(f"{self.place(i)}, column {name}", problem, got, kind.expected)
