-- Demand: one row per series and time (see netra/models/demand.py). A rate is no request, so it
-- stands in a table of its own; owner, order and partitions are as those of workload_events.
CREATE TABLE IF NOT EXISTS demand_points
(
    tenant_id   LowCardinality(String),
    workload_id UUID,
    ingest_id   UUID,
    row         UInt64 CODEC(Delta(8), LZ4),
    point_id    String,
    ts          DateTime64(6, 'UTC') CODEC(Delta(8), LZ4),
    series      LowCardinality(String),
    rate        Float64,
    cv          Nullable(Float64)
)
ENGINE = MergeTree
PARTITION BY sipHash64(workload_id) % 16
ORDER BY (tenant_id, workload_id, ts, row);
