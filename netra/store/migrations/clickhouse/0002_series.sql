-- Series: the named tables of stage results, as Arrow IPC streams in chunks.
--
-- Their columns differ by agent, they are read whole, and ClickHouse never filters by their
-- values; Arrow keeps their types exactly (64-bit integers, times, NULL against NaN), which JSON
-- does not. `attempt` names the writer: PostgreSQL says which attempt won.
CREATE TABLE IF NOT EXISTS stage_series
(
    tenant_id  LowCardinality(String),
    job_id     UUID,
    stage_id   UUID,
    attempt    UInt32,
    name       LowCardinality(String),
    chunk      UInt32,
    rows       UInt64,
    arrow      String CODEC(ZSTD(1)),
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(written_at)
ORDER BY (tenant_id, job_id, stage_id, attempt, name, chunk);
