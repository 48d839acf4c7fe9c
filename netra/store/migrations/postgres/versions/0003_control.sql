-- What was added to the queue's transitions. docs/queue-protocol.md states what they keep.

-- How far each tenant is in its turns; see netra_admit.
CREATE TABLE shares (
    pool TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    started DOUBLE PRECISION DEFAULT 0 NOT NULL,
    finished DOUBLE PRECISION DEFAULT 0 NOT NULL,
    CONSTRAINT shares_pkey PRIMARY KEY (pool, tenant_id),
    CONSTRAINT shares_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

ALTER TABLE stages ADD COLUMN killed INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE stages ADD COLUMN wrote BOOLEAN DEFAULT false NOT NULL;
ALTER TABLE batches ADD COLUMN stop_requested_at TIMESTAMP WITH TIME ZONE;

-- One level of priority is worth five minutes of waiting, so that nothing waits for ever behind
-- what is more urgent.
CREATE FUNCTION netra_turn(p_ready_at timestamptz, p_priority int) RETURNS timestamp
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (p_ready_at AT TIME ZONE 'UTC') - p_priority * interval '5 minutes';

DROP INDEX stages_ready_idx;
CREATE INDEX stages_ready_idx ON stages (pool, tenant_id, netra_turn(ready_at, priority))
    WHERE state = 'ready';
CREATE INDEX stages_wrote_idx ON stages (finished_at) WHERE wrote;
CREATE INDEX jobs_batch_state_idx ON jobs (batch_id, state, id) WHERE batch_id IS NOT NULL;
CREATE INDEX batches_stopping_idx ON batches (id) WHERE stop_requested_at IS NOT NULL;
CREATE INDEX dead_letters_waiting_idx ON dead_letters (tenant_id, id) WHERE replayed_at IS NULL;

-- Admits ready stages of a pool to Celery: as many as it has free slots, plus a little.
--
-- Among tenants: first to whoever holds the least for its weight. Tenants that are equal in this
-- take turns by start-time fair queueing (Goyal, Vin and Cheng 1996): each admission moves a
-- tenant on by 1 / weight, the one that is furthest behind goes first, and who comes back after a
-- pause starts where the others are. Within a tenant: by priority and waiting time (netra_turn).
-- So every ready stage is reached: nothing starves.
--
-- One scheduler at a time: two that count the same free slots would admit twice as much as there
-- is room for. The lock is held within this one statement, whatever happens to the client.
CREATE OR REPLACE FUNCTION netra_admit(p_pool text, p_ahead float8, p_stale_s float8,
    p_readmit_s float8) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_slots int;
    v_running int;
    v_admitted int;
    v_quota int;
    v_count int := 0;
    v_messages jsonb := '[]';
    v_facts jsonb := '[]';
    v_now float8;
    s record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('netra_admit')) THEN
        RETURN jsonb_build_object('messages', v_messages, 'facts', v_facts, 'passed_over', true);
    END IF;
    SELECT coalesce(sum(concurrency), 0) INTO v_slots FROM workers
    WHERE pool = p_pool AND heartbeat_at > clock_timestamp() - make_interval(secs => p_stale_s);
    SELECT count(*) INTO v_running FROM stages WHERE pool = p_pool AND state = 'running';
    SELECT count(*) INTO v_admitted FROM stages WHERE pool = p_pool AND state = 'admitted';
    v_quota := ceil(v_slots * (1 + p_ahead)) - v_running - v_admitted;

    IF v_quota > 0 THEN
        SELECT coalesce(max(started), 0) INTO v_now FROM shares WHERE pool = p_pool;
        FOR s IN
            WITH held AS (
                SELECT tenant_id, count(*) AS n, count(*) FILTER (WHERE pool = p_pool) AS here
                FROM (SELECT tenant_id, pool FROM stages WHERE state = 'admitted'
                    UNION ALL SELECT tenant_id, pool FROM stages WHERE state = 'running') h
                GROUP BY tenant_id
            ), candidate AS (
                SELECT c.id, t.weight, t.max_running, coalesce(h.n, 0) AS held,
                    coalesce(h.here, 0) AS here, greatest(coalesce(p.finished, 0), v_now) AS began,
                    row_number() OVER (PARTITION BY t.id ORDER BY c.turn, c.id) AS nth
                FROM tenants t
                LEFT JOIN held h ON h.tenant_id = t.id
                LEFT JOIN shares p ON p.pool = p_pool AND p.tenant_id = t.id
                CROSS JOIN LATERAL (
                    SELECT r.id, netra_turn(r.ready_at, r.priority) AS turn FROM stages r
                    WHERE r.pool = p_pool AND r.tenant_id = t.id AND r.state = 'ready'
                        AND r.run_at <= clock_timestamp()
                    ORDER BY netra_turn(r.ready_at, r.priority) LIMIT v_quota) c
            ), chosen AS (
                SELECT id, (here + nth - 1) / weight AS share, began + (nth - 1) / weight AS start,
                    1 / weight AS step FROM candidate
                WHERE max_running IS NULL OR held + nth <= max_running
                ORDER BY share, start, id LIMIT v_quota
            )
            SELECT r.id, r.job_id, r.tenant_id, r.name, r.admission, r.attempt, c.start, c.step
            FROM chosen c JOIN stages r ON r.id = c.id JOIN jobs j ON j.id = r.job_id
            WHERE r.state = 'ready'
            ORDER BY c.share, c.start, c.id
            FOR NO KEY UPDATE OF j, r SKIP LOCKED
        LOOP
            v_count := v_count + 1;
            UPDATE stages SET state = 'admitted', admission = admission + 1,
                admitted_at = clock_timestamp() WHERE id = s.id;
            INSERT INTO shares (pool, tenant_id, started, finished)
            VALUES (p_pool, s.tenant_id, s.start, s.start + s.step)
            ON CONFLICT (pool, tenant_id) DO UPDATE
                SET started = excluded.started, finished = excluded.finished;
            v_messages := v_messages || jsonb_build_object(
                'stage_id', s.id, 'admission', s.admission + 1);
            v_facts := v_facts || netra_fact(s.job_id, 'stage.admitted', s.name,
                jsonb_build_object('attempt', s.attempt, 'pool', p_pool));
        END LOOP;
    END IF;

    -- The message may have been lost: the wake-up signal is not durable, the row is.
    IF v_running < v_slots AND v_admitted > 0 THEN
        FOR s IN
            SELECT r.id, r.admission FROM stages r JOIN jobs j ON j.id = r.job_id
            WHERE r.pool = p_pool AND r.state = 'admitted'
                AND r.admitted_at < clock_timestamp() - make_interval(secs => p_readmit_s)
            ORDER BY r.admitted_at LIMIT v_slots
            FOR NO KEY UPDATE OF j, r SKIP LOCKED
        LOOP
            UPDATE stages SET admission = admission + 1, admitted_at = clock_timestamp()
            WHERE id = s.id;
            v_messages := v_messages || jsonb_build_object(
                'stage_id', s.id, 'admission', s.admission + 1);
        END LOOP;
    END IF;
    -- Slots are left although stages are ready: their jobs were locked just now, or their tenants
    -- are at their limits.
    RETURN jsonb_build_object('messages', v_messages, 'facts', v_facts,
        'passed_over', v_count < v_quota AND EXISTS (
            SELECT 1 FROM stages WHERE pool = p_pool AND state = 'ready'
                AND run_at <= clock_timestamp()));
END $$;

-- As before, and counts what died while its worker lived: a stage that kills its process.
CREATE OR REPLACE FUNCTION netra_heartbeat(p_worker uuid, p_pids int[], p_lease_s float8)
RETURNS TABLE (stage_id uuid, fence bigint, worker_pid int, over_s float8, stop_s float8)
LANGUAGE sql AS $$
    UPDATE workers SET heartbeat_at = clock_timestamp() WHERE id = p_worker;
    UPDATE stages SET lease_until = clock_timestamp(), killed = killed + 1
    WHERE worker_id = p_worker AND state = 'running' AND worker_pid <> ALL(p_pids)
        AND started_at < clock_timestamp() - interval '2 s' AND lease_until > clock_timestamp();
    WITH beat AS (
        UPDATE stages s SET lease_until = clock_timestamp() + make_interval(secs => p_lease_s)
        WHERE s.worker_id = p_worker AND s.state = 'running' AND s.worker_pid = ANY(p_pids)
        RETURNING s.id, s.fence, s.worker_pid, s.job_id,
            extract(epoch FROM clock_timestamp() - s.started_at) - s.limit_s AS over_s
    )
    SELECT b.id, b.fence, b.worker_pid, b.over_s::float8,
        extract(epoch FROM clock_timestamp() - j.stop_requested_at)::float8
    FROM beat b JOIN jobs j ON j.id = b.job_id;
$$;

-- Takes back stages whose lease ran out; takes the place of netra_reap, which stays for one
-- release. Not just after a start of the database: while it was away nobody could renew a lease.
CREATE FUNCTION netra_take_back(p_max_lost int, p_max_killed int, p_grace_s float8, p_limit int)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    s stages;
    v_stopped bool;
    v_facts jsonb := '[]';
    v_count int := 0;
BEGIN
    IF clock_timestamp() < pg_postmaster_start_time() + make_interval(secs => p_grace_s) THEN
        RETURN jsonb_build_object('facts', v_facts, 'count', 0);
    END IF;
    FOR s IN
        SELECT r.* FROM stages r JOIN jobs j ON j.id = r.job_id
        WHERE r.state = 'running' AND r.lease_until < clock_timestamp()
        ORDER BY r.lease_until LIMIT p_limit
        FOR NO KEY UPDATE OF j, r SKIP LOCKED
    LOOP
        v_count := v_count + 1;
        SELECT stop_reason IS NOT NULL INTO v_stopped FROM jobs WHERE id = s.job_id;
        UPDATE stages SET lost = lost + 1 WHERE id = s.id RETURNING * INTO s;
        IF v_stopped THEN
            v_facts := v_facts || netra_end(s, 'cancelled', NULL);
        ELSIF s.killed >= p_max_killed THEN
            v_facts := v_facts || netra_end(s, 'failed', jsonb_build_object(
                'type', 'WorkerKilled', 'message', format(
                    'the process that ran this stage was killed or died %s times', s.killed)));
        ELSIF s.lost >= p_max_lost THEN
            v_facts := v_facts || netra_end(s, 'failed', jsonb_build_object(
                'type', 'WorkerLost', 'message', format(
                    'the worker died or hung %s times while running this stage', s.lost)));
        ELSE
            v_facts := v_facts || netra_requeue(s, 0, 'lease expired');
        END IF;
    END LOOP;
    RETURN jsonb_build_object('facts', v_facts, 'count', v_count);
END $$;

-- As before, and forgets how often the stages' processes were killed.
CREATE OR REPLACE FUNCTION netra_retry(p_job uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_left int;
BEGIN
    PERFORM 1 FROM jobs WHERE id = p_job AND state IN ('failed', 'cancelled') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE stages s SET
        pending = p.pending,
        state = CASE WHEN p.pending = 0 THEN 'ready' ELSE 'blocked' END,
        ready_at = CASE WHEN p.pending = 0 THEN clock_timestamp() END,
        attempt = s.attempt + CASE WHEN s.started_at IS NULL THEN 0 ELSE 1 END,
        failures = 0, lost = 0, killed = 0, error = NULL, run_at = clock_timestamp(),
        started_at = NULL, finished_at = NULL, lease_until = NULL
    FROM (
        SELECT w.id, (SELECT count(*) FROM stages d WHERE d.job_id = p_job
            AND d.name = ANY(w.after) AND d.state <> 'succeeded') AS pending
        FROM stages w WHERE w.job_id = p_job AND w.state <> 'succeeded') p
    WHERE s.id = p.id;
    GET DIAGNOSTICS v_left = ROW_COUNT;
    UPDATE jobs SET state = 'queued', epoch = epoch + 1, seq = 0, stages_left = v_left,
        stop_reason = NULL, stop_requested_at = NULL, started_at = NULL, finished_at = NULL,
        deadline = CASE WHEN deadline < clock_timestamp() THEN NULL ELSE deadline END
    WHERE id = p_job;
    UPDATE dead_letters SET replayed_at = clock_timestamp()
    WHERE job_id = p_job AND replayed_at IS NULL;
    PERFORM pg_notify('netra_wake', '');
    RETURN jsonb_build_object('facts',
        jsonb_build_array(netra_fact(p_job, 'job.queued', NULL, '{"retry": true}')));
END $$;

-- Goes on stopping the jobs of batches that were asked to stop: those that run first.
-- "left" is whether there is more to do.
CREATE FUNCTION netra_stop_batches(p_batch uuid, p_limit int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_batch uuid;
    v_job uuid;
    v_count int := 0;
    v_answer jsonb;
    v_facts jsonb[] := '{}';
BEGIN
    SELECT id INTO v_batch FROM batches
    WHERE stop_requested_at IS NOT NULL AND (p_batch IS NULL OR id = p_batch)
    ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF v_batch IS NULL THEN
        RETURN jsonb_build_object('facts', jsonb_build_array(), 'left', p_batch IS NOT NULL AND
            EXISTS (SELECT 1 FROM batches WHERE id = p_batch AND stop_requested_at IS NOT NULL));
    END IF;
    FOR v_job IN
        SELECT id FROM jobs WHERE batch_id = v_batch AND state IN ('running', 'queued')
            AND stop_reason IS NULL
        ORDER BY state DESC, id DESC LIMIT p_limit FOR NO KEY UPDATE
    LOOP
        v_count := v_count + 1;
        v_answer := netra_stop(v_job, 'cancelled');
        v_facts := v_facts || ARRAY(SELECT jsonb_array_elements(v_answer->'facts'));
    END LOOP;
    IF v_count < p_limit THEN
        UPDATE batches SET stop_requested_at = NULL WHERE id = v_batch;
    END IF;
    RETURN jsonb_build_object('facts', to_jsonb(v_facts), 'left', v_count >= p_limit);
END $$;

-- Changes how urgent a job is; what is ready takes its new place. NULL: it had ended.
CREATE FUNCTION netra_prioritize(p_job uuid, p_priority int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    UPDATE jobs SET priority = p_priority WHERE id = p_job AND state IN ('queued', 'running');
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE stages SET priority = p_priority
    WHERE job_id = p_job AND state IN ('blocked', 'ready', 'admitted', 'running');
    PERFORM pg_notify('netra_wake', '');
    RETURN jsonb_build_object('facts', jsonb_build_array());
END $$;

-- Notes that an attempt is about to write tables: should it not win, they are swept.
CREATE FUNCTION netra_wrote(p_stage uuid, p_fence bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE stages SET wrote = true WHERE id = p_stage AND fence = p_fence AND state = 'running';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'stage % is no longer held with token %', p_stage, p_fence
            USING ERRCODE = 'NT001';
    END IF;
END $$;
