"""Azure's public LLM inference trace of 2023: one request a line, token counts only.

https://github.com/Azure/AzurePublicDataset (CC-BY 4.0). Times are UTC with seven decimals; the
event keeps six.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from netra.ingest.convert import UINT32
from netra.ingest.format import Container, RowKind
from netra.ingest.rows import Rows
from netra.ingest.timestamps import MOMENT


class Azure2023:
    name = "azure-2023"
    aliases = ("azure",)
    about = "Azure LLM inference trace 2023 (CSV)"
    container: Container = "csv"
    required = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
    types: Mapping[str, pa.DataType] = {
        "TIMESTAMP": pa.timestamp("ns"),
        "ContextTokens": pa.uint32(),
        "GeneratedTokens": pa.uint32(),
    }
    relative = False
    kind: RowKind = "requests"

    def events(self, rows: Rows) -> dict[str, pa.Array]:
        return {
            "ts": rows.get("TIMESTAMP", MOMENT, required=True),
            "input_tokens": rows.get("ContextTokens", UINT32, required=True),
            "output_tokens": rows.get("GeneratedTokens", UINT32, required=True),
            "attributes": rows.rest(self.required),
        }
