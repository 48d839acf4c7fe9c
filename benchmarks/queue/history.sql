-- Finished jobs of a tenant: one a second, a no-op stage each, with the facts that a real one
-- leaves; batches of twenty; a tenth carry labels, a tenth failed. A thousand
-- fill every page as well as a million do.
CREATE TEMPORARY TABLE past ON COMMIT DROP AS
SELECT i, uuidv7(-make_interval(secs => at)) AS job, uuidv7(-make_interval(secs => at - 0.001)) AS stage,
    now() - make_interval(secs => at) AS ts,
    CASE WHEN i %% 10 = 5 THEN 'failed' ELSE 'succeeded' END AS state
FROM (SELECT i, 1000000 + 60 - i AS at FROM generate_series(%(first)s::int, %(last)s::int) AS i) n;

INSERT INTO batches (id, tenant_id, name)
SELECT uuidv7(-make_interval(secs => 1000000 + 60 - 20 * b)), %(tenant)s, 'past-' || b
FROM generate_series(%(first)s::int / 20, %(last)s::int / 20) AS b ON CONFLICT DO NOTHING;

INSERT INTO jobs (id, tenant_id, batch_id, goal, pipeline, params, priority, labels, state, epoch,
    seq, stages_left, created_at, started_at, finished_at)
SELECT p.job, %(tenant)s, b.id, '{}', CASE WHEN i %% 10 = 3 THEN 'nightly' END, '{}', 5,
    CASE WHEN i %% 10 = 0 THEN jsonb_build_object('team', i / 10 %% 2 || '', 'run', i / 1000 || '')
        ELSE '{}' END,
    p.state, 1, 6, 0, ts, ts, ts
FROM past p JOIN batches b ON b.tenant_id = %(tenant)s AND b.name = 'past-' || (i / 20);

INSERT INTO stages (id, tenant_id, job_id, name, position, agent, pool, params, after, pending,
    priority, limit_s, state, admission, fence, run_at, ready_at, admitted_at, started_at,
    finished_at)
SELECT stage, %(tenant)s, job, 'noop', 0, 'noop', 'cpu', '{}', '{}', 0, 5, 60, state, 1, 1, ts, ts,
    ts, ts, ts FROM past;

INSERT INTO stage_results (stage_id, tenant_id, job_id, agent, attempt, content, tables)
SELECT stage, %(tenant)s, job, 'noop', 1, '{}', '[]' FROM past WHERE state = 'succeeded';

INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload, published)
SELECT p.job, 1, k.seq, %(tenant)s, j.batch_id, p.ts, k.kind, k.stage, '{"attempt": 1}', true
FROM past p JOIN jobs j ON j.id = p.job, LATERAL (VALUES
    (1, 'job.queued', NULL), (2, 'stage.admitted', 'noop'), (3, 'job.started', NULL),
    (4, 'stage.started', 'noop'), (5, 'stage.' || p.state, 'noop'), (6, 'job.' || p.state, NULL)
) AS k(seq, kind, stage);
