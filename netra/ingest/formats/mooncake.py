"""Mooncake's traces (FAST'25): one request a line, with the hashes of its prompt's blocks.

https://github.com/kvcache-ai/Mooncake (Apache-2.0). `timestamp` is milliseconds from the trace's
start; `hash_ids` are global ids of 512-token blocks, taken as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest.convert import UINT32
from netra.ingest.format import Container, RowKind
from netra.ingest.hashes import HASH_LIST
from netra.ingest.rows import Rows
from netra.ingest.schema import HASHES
from netra.ingest.timestamps import offset

BLOCK_TOKENS = 512
_US_PER_MS = 1000.0


class Mooncake:
    name = "mooncake"
    aliases = ("mooncake-jsonl",)
    about = "Mooncake request trace (JSONL)"
    container: Container = "jsonl"
    required = ("timestamp", "input_length", "output_length", "hash_ids")
    types: Mapping[str, pa.DataType] = {"hash_ids": HASHES}
    relative = True
    kind: RowKind = "requests"

    def events(self, rows: Rows) -> dict[str, pa.Array]:
        inputs = rows.get("input_length", UINT32, required=True)
        hashes = rows.get("hash_ids", HASH_LIST)
        self._check_blocks(rows, inputs, hashes)
        return {
            "ts": rows.get("timestamp", offset(_US_PER_MS), required=True),
            "input_tokens": inputs,
            "output_tokens": rows.get("output_length", UINT32, required=True),
            "prefix_hashes": hashes,
            "block_tokens": pa.repeat(pa.scalar(BLOCK_TOKENS, pa.uint32()), rows.count),
            "attributes": rows.rest(self.required),
        }

    def _check_blocks(self, rows: Rows, inputs: pa.Array, hashes: pa.Array) -> None:
        # Traces of other makers share these columns, but not the block length or the clock's unit.
        needed = pc.divide(pc.add(inputs.cast(pa.int64()), BLOCK_TOKENS - 1), BLOCK_TOKENS)
        given = pc.list_value_length(hashes)
        rows.note(
            pc.not_equal(given, needed),
            "hash_ids",
            f"the number of hashes does not fit {BLOCK_TOKENS}-token blocks of input_length; is"
            " this another maker's trace? Convert it to Netra's own schema",
            given,
            f"input_length / {BLOCK_TOKENS}, rounded up",
        )
