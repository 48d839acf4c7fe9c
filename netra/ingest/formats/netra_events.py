"""Netra's own schema, as CSV, JSONL or Parquet: columns are named as in `EVENT_COLUMNS`.

Only `ts` is needed. Columns of other names become attributes. `event_id`, where there is such a
column, must be given on every row; without it the events get content hashes. In CSV, lists and
maps are JSON, nothing between two commas is unknown, and `""` is empty text. If the first time
in the file lies in 1970, all times count from an unknown start.
"""

from __future__ import annotations

import pyarrow as pa

from netra.ingest.attributes import ATTRIBUTE_MAP, merged
from netra.ingest.convert import FRACTION, NUMBER, TEXT, UINT32, UINT64, Kind
from netra.ingest.format import Container, RowKind
from netra.ingest.hashes import HASH_LIST
from netra.ingest.rows import Rows
from netra.ingest.schema import ATTRIBUTES, EVENT_SCHEMA, HASHES, TIMESTAMP
from netra.ingest.timestamps import MOMENT
from netra.models.event import OWNER_COLUMNS

_BY_TYPE = {
    TIMESTAMP: MOMENT,
    HASHES: HASH_LIST,
    ATTRIBUTES: ATTRIBUTE_MAP,
    pa.string(): TEXT,
    pa.uint32(): UINT32,
    pa.uint64(): UINT64,
    pa.float64(): NUMBER,
}
_KINDS: dict[str, Kind] = {f.name: _BY_TYPE[f.type] for f in EVENT_SCHEMA} | {"quality": FRACTION}
#: Arrow would guess floats for 64-bit hashes, and lose their last digits.
_JSON_TYPES: dict[str, pa.DataType] = {"prefix_hashes": HASHES, "prompt_hash": pa.uint64()}
_CSV_TYPES: dict[str, pa.DataType] = {
    f.name: f.type for f in EVENT_SCHEMA if pa.types.is_integer(f.type) or f.type == pa.float64()
} | {"ts": pa.timestamp("ns", "UTC")}
#: An export may carry who owned its rows; the new owner is whoever sends the file.
_IGNORED = tuple(c.name for c in OWNER_COLUMNS)


class NetraEvents:
    required = ("ts",)
    relative = None
    kind: RowKind = "requests"

    def __init__(self, container: Container) -> None:
        self.container: Container = container
        self.name = f"netra-{container}"
        self.types = _CSV_TYPES if container == "csv" else _JSON_TYPES
        self.aliases: tuple[str, ...] = (container,)
        self.about = (
            f"Netra's own schema ({container.upper() if container != 'parquet' else 'Parquet'})"
        )

    def events(self, rows: Rows) -> dict[str, pa.Array]:
        found = {
            name: rows.get(name, kind, required=name in ("ts", "event_id"))
            for name, kind in _KINDS.items()
            if name in rows.columns
        }
        rest = rows.rest((*_KINDS, *_IGNORED))
        known = found.get("attributes")
        found["attributes"] = rest if known is None else merged(known, rest)
        return found
