"""Events: ClickHouse `workload_events`, one row per LLM request. Unknown is NULL, never 0."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    #: The ClickHouse type.
    type: str
    #: What it holds, with its unit.
    doc: str


def _c(name: str, type_: str, doc: str) -> Column:
    return Column(name=name, type=type_, doc=doc)


#: Who owns the row, which ingest wrote it, and its place in the order of arrival. PostgreSQL says
#: which ingests are visible.
OWNER_COLUMNS = (
    _c("tenant_id", "LowCardinality(String)", "owner"),
    _c("workload_id", "UUID", "the workload"),
    _c("ingest_id", "UUID", "the ingest that wrote the row"),
    _c("row", "UInt64", "place among all rows sent to the workload, from 0; breaks ties of ts"),
)

#: What a trace says about a request. Only `event_id` and `ts` are always known.
EVENT_COLUMNS = (
    _c("event_id", "String", "unique in the workload; content hash + occurrence where none given"),
    _c("ts", "DateTime64(6, 'UTC')", "when the request was sent; since 1970 if unanchored"),
    _c("session_id", "Nullable(String)", "conversation or agent session"),
    _c("trace_id", "Nullable(String)", "trace"),
    _c("span_id", "Nullable(String)", "span"),
    _c("parent_span_id", "Nullable(String)", "the span that caused this one"),
    _c("provider", "LowCardinality(Nullable(String))", "who served it: anthropic, openai, …"),
    _c("model", "LowCardinality(Nullable(String))", "model as the provider names it"),
    _c("app", "LowCardinality(Nullable(String))", "application"),
    _c("feature", "LowCardinality(Nullable(String))", "feature or function of the application"),
    _c("environment", "LowCardinality(Nullable(String))", "production, staging, …"),
    _c("user_id", "Nullable(String)", "end user"),
    _c("operation", "LowCardinality(Nullable(String))", "chat, embedding, tool, …"),
    _c("tool_name", "LowCardinality(Nullable(String))", "the agent's tool that made the call"),
    _c("input_tokens", "Nullable(UInt32)", "all input tokens, cached ones included"),
    _c("output_tokens", "Nullable(UInt32)", "all output tokens, reasoning included"),
    _c("cached_input_tokens", "Nullable(UInt32)", "input tokens read from the prompt cache"),
    _c("cache_write_tokens", "Nullable(UInt32)", "input tokens written to the prompt cache"),
    _c("reasoning_tokens", "Nullable(UInt32)", "output tokens spent on reasoning"),
    _c("queued_ms", "Nullable(Float64)", "wait before service, ms"),
    _c("ttft_ms", "Nullable(Float64)", "time to first token, ms"),
    _c("latency_ms", "Nullable(Float64)", "time to last token, ms"),
    _c("status", "LowCardinality(Nullable(String))", "ok, error, timeout, …"),
    _c("error_code", "LowCardinality(Nullable(String))", "the provider's error"),
    _c("cost_usd", "Nullable(Float64)", "what was paid, USD, if the trace says"),
    _c("quality", "Nullable(Float64)", "judged quality, 0 to 1"),
    _c("prompt_hash", "Nullable(UInt64)", "hash of the whole prompt"),
    _c("prefix_hashes", "Array(UInt64)", "hash of each prompt block, in order, chained or global"),
    _c("block_tokens", "Nullable(UInt32)", "tokens per block of prefix_hashes"),
    _c("attributes", "Map(String, String)", "everything else"),
)

EVENT_COLUMN_NAMES = tuple(c.name for c in EVENT_COLUMNS)

#: What a reader may ask for beside the event's columns, and how ClickHouse computes it. Whoever
#: only counts blocks is spared the hashes, which are most of a workload's bytes.
DERIVED_COLUMNS = {
    "prefix_blocks": (
        _c("prefix_blocks", "UInt32", "how many hashes prefix_hashes holds"),
        "toUInt32(length(prefix_hashes))",
    )
}

#: What a reader may ask for: the event, and its place in the order of arrival (file order).
READABLE_COLUMN_NAMES = (*EVENT_COLUMN_NAMES, "row", *DERIVED_COLUMNS)
