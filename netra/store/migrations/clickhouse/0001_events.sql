-- Events: one row per LLM request (see netra/models/event.py).
--
-- ORDER BY: every reader names tenant and workload and reads in time order; `row` (the place in
-- the order of arrival) makes the order total and keeps a file's order where times are equal,
-- which decides cache replays. Sorting by an 8-byte number is also cheaper than by event ids.
--
-- PARTITION BY a bucket of the workload, not by month: what is dropped together is a workload or
-- an ingest, never a month, so a delete touches one partition; an insert makes one part, whatever
-- times its file spans; and unanchored traces, which all lie in 1970, are spread.
--
-- Block hashes and times rise in small steps: Delta makes them compress well.
CREATE TABLE IF NOT EXISTS workload_events
(
    tenant_id           LowCardinality(String),
    workload_id         UUID,
    ingest_id           UUID,
    row                 UInt64 CODEC(Delta(8), LZ4),
    event_id            String,
    ts                  DateTime64(6, 'UTC') CODEC(Delta(8), LZ4),
    session_id          Nullable(String),
    trace_id            Nullable(String),
    span_id             Nullable(String),
    parent_span_id      Nullable(String),
    provider            LowCardinality(Nullable(String)),
    model               LowCardinality(Nullable(String)),
    app                 LowCardinality(Nullable(String)),
    feature             LowCardinality(Nullable(String)),
    environment         LowCardinality(Nullable(String)),
    user_id             Nullable(String),
    operation           LowCardinality(Nullable(String)),
    tool_name           LowCardinality(Nullable(String)),
    input_tokens        Nullable(UInt32),
    output_tokens       Nullable(UInt32),
    cached_input_tokens Nullable(UInt32),
    cache_write_tokens  Nullable(UInt32),
    reasoning_tokens    Nullable(UInt32),
    queued_ms           Nullable(Float64),
    ttft_ms             Nullable(Float64),
    latency_ms          Nullable(Float64),
    status              LowCardinality(Nullable(String)),
    error_code          LowCardinality(Nullable(String)),
    cost_usd            Nullable(Float64),
    quality             Nullable(Float64),
    prompt_hash         Nullable(UInt64),
    prefix_hashes       Array(UInt64) CODEC(Delta(8), LZ4),
    block_tokens        Nullable(UInt32),
    attributes          Map(String, String)
)
ENGINE = MergeTree
PARTITION BY sipHash64(workload_id) % 16
ORDER BY (tenant_id, workload_id, ts, row);
