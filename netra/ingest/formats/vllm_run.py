"""Runs of a real vLLM server as LLMServingSim 2.0 records them: JSONL, one request a line.

https://github.com/casys-kaist/LLMServingSim (MIT). `arrival_time` is wall clock, the other times
are one monotonic clock, in seconds; so durations are taken on that clock, from `queued_ts`. The
request's own id is unique within its run only: it and `queued_ts` become attributes. Together with
the durations `queued_ts` gives back the other times to the nanosecond in which they are logged.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest.convert import NUMBER, NUMBER_IF_ANY, UINT32
from netra.ingest.format import Container, RowKind
from netra.ingest.rows import Rows
from netra.ingest.timestamps import MOMENT


class VllmRun:
    name = "vllm-run"
    aliases = ("llmservingsim",)
    about = "vLLM run as recorded by LLMServingSim (JSONL)"
    container: Container = "jsonl"
    required = (
        "input_toks",
        "output_toks",
        "arrival_time",
        "queued_ts",
        "first_token_ts",
        "last_token_ts",
    )
    types: Mapping[str, pa.DataType] = {}
    relative = False
    kind: RowKind = "requests"

    def events(self, rows: Rows) -> dict[str, pa.Array]:
        used = [name for name in (*self.required, "scheduled_ts") if name != "queued_ts"]
        return {
            "ts": rows.get("arrival_time", MOMENT, required=True),
            "input_tokens": rows.get("input_toks", UINT32, required=True),
            "output_tokens": rows.get("output_toks", UINT32, required=True),
            "queued_ms": _since_queued_ms(rows, "scheduled_ts"),
            "ttft_ms": _since_queued_ms(rows, "first_token_ts"),
            "latency_ms": _since_queued_ms(rows, "last_token_ts"),
            "attributes": rows.rest(used),
        }


def _since_queued_ms(rows: Rows, name: str) -> pa.Array:
    kind = NUMBER_IF_ANY if rows.problems.lenient else NUMBER
    later = rows.get(name, kind)
    elapsed = pc.multiply(pc.subtract(later, rows.get("queued_ts", kind)), 1000.0)
    if rows.problems.lenient:
        return pc.if_else(pc.less(elapsed, 0.0), pa.scalar(None, pa.float64()), elapsed)
    rows.note(pc.less(elapsed, 0.0), name, "is before queued_ts", later, "a time after queued_ts")
    return elapsed
