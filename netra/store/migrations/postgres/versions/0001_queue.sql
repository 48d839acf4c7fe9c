-- The queue's transitions, one function each. docs/adr/0003 says why they live here.
--
-- The rule that keeps them free of deadlocks: whoever changes the state of a stage holds its job's
-- row lock, and took it first (or skipped the job). Each function returns jsonb whose "facts" are
-- the facts that the transaction made true, in the shape that clients are sent.
-- Times are PostgreSQL's clock alone.

-- Appends a fact to a job whose row the caller has locked.
CREATE FUNCTION netra_fact(p_job uuid, p_kind text, p_stage text, p_payload jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    j record;
    v_ts timestamptz := clock_timestamp();
BEGIN
    UPDATE jobs SET seq = seq + 1 WHERE id = p_job
    RETURNING epoch, seq, tenant_id, batch_id INTO j;
    INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload)
    VALUES (p_job, j.epoch, j.seq, j.tenant_id, j.batch_id, v_ts, p_kind, p_stage, p_payload);
    RETURN jsonb_build_object(
        'type', 'fact', 'job_id', p_job, 'epoch', j.epoch, 'seq', j.seq, 'ts', v_ts,
        'kind', p_kind, 'stage', p_stage, 'payload', p_payload,
        'tenant_id', j.tenant_id, 'batch_id', j.batch_id);
END $$;

-- Ends the job if nothing is left of it. The caller holds the job's lock.
CREATE FUNCTION netra_settle(p_job uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    v_state text;
    v_failed text[];
BEGIN
    SELECT * INTO j FROM jobs WHERE id = p_job;
    IF j.stages_left > 0 OR j.state NOT IN ('queued', 'running') THEN
        RETURN '[]';
    END IF;
    SELECT array_agg(name ORDER BY position) FILTER (WHERE state = 'failed'),
           CASE WHEN bool_and(state = 'succeeded') THEN 'succeeded'
                WHEN j.stop_reason = 'cancelled' AND NOT bool_or(state = 'failed') THEN 'cancelled'
                ELSE 'failed' END
    INTO v_failed, v_state FROM stages WHERE job_id = p_job;
    UPDATE jobs SET state = v_state, finished_at = clock_timestamp() WHERE id = p_job;
    RETURN jsonb_build_array(netra_fact(p_job, 'job.' || v_state, NULL, jsonb_strip_nulls(
        jsonb_build_object('failed_stages', to_jsonb(v_failed), 'reason', j.stop_reason))));
END $$;

-- Submits jobs with their stages. `p_jobs`: array of job objects, each with "stages".
-- Answers [{"id", "created"}] in order; a repeated idempotency key answers with the first job.
CREATE FUNCTION netra_submit(p_jobs jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_created uuid[];
    v_facts jsonb;
    v_jobs jsonb;
BEGIN
    WITH given AS (
        SELECT r.*, g.ord FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS g(item, ord),
            jsonb_to_record(g.item) AS r(
                id uuid, tenant_id text, workload_id uuid, batch_id uuid, goal jsonb, pipeline text,
                ingests text[], params jsonb, priority int, labels jsonb, deadline timestamptz,
                idempotency_key text, body_hash text, traceparent text, stage_count int)
    ), inserted AS (
        INSERT INTO jobs (id, tenant_id, workload_id, batch_id, goal, pipeline, ingests, params,
            priority, labels, deadline, state, epoch, seq, stages_left, idempotency_key, body_hash,
            traceparent, created_at)
        SELECT id, tenant_id, workload_id, batch_id, goal, pipeline, coalesce(ingests, '{}'),
            params, priority, labels, deadline, 'queued', 1, 1, stage_count, idempotency_key, body_hash, traceparent,
            clock_timestamp()
        FROM given ORDER BY ord
        ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING id
    )
    SELECT coalesce(array_agg(id), '{}') INTO v_created FROM inserted;

    INSERT INTO stages (id, tenant_id, job_id, name, position, agent, pool, params, after, pending,
        priority, limit_s, state, run_at, ready_at)
    SELECT s.id, j.tenant_id, j.id, s.name, s.position, s.agent, s.pool, s.params,
        ARRAY(SELECT jsonb_array_elements_text(s.after)), jsonb_array_length(s.after),
        j.priority, s.limit_s,
        CASE WHEN jsonb_array_length(s.after) = 0 THEN 'ready' ELSE 'blocked' END,
        clock_timestamp(),
        CASE WHEN jsonb_array_length(s.after) = 0 THEN clock_timestamp() END
    FROM jsonb_array_elements(p_jobs) AS g(item)
    JOIN unnest(v_created) AS n(id) ON n.id = (g.item->>'id')::uuid
    JOIN jobs j ON j.id = n.id,
        jsonb_to_recordset(g.item->'stages') AS s(
            id uuid, name text, position int, agent text, pool text, params jsonb, after jsonb,
            limit_s float8);

    WITH f AS (
        INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload)
        SELECT j.id, 1, 1, j.tenant_id, j.batch_id, clock_timestamp(), 'job.queued', NULL, '{}'
        FROM jobs j JOIN unnest(v_created) AS n(id) ON n.id = j.id
        RETURNING *
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'type', 'fact', 'job_id', job_id, 'epoch', epoch, 'seq', seq, 'ts', ts, 'kind', kind,
        'stage', stage, 'payload', payload, 'tenant_id', tenant_id, 'batch_id', batch_id)), '[]')
    INTO v_facts FROM f;

    SELECT jsonb_agg(jsonb_build_object(
        'id', coalesce(n.id, j.id), 'created', n.id IS NOT NULL,
        'same_body', n.id IS NOT NULL OR j.body_hash IS NOT DISTINCT FROM g.item->>'body_hash')
        ORDER BY g.ord)
    INTO v_jobs
    FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS g(item, ord)
    LEFT JOIN unnest(v_created) AS n(id) ON n.id = (g.item->>'id')::uuid
    LEFT JOIN jobs j ON n.id IS NULL AND j.tenant_id = g.item->>'tenant_id'
        AND j.idempotency_key = g.item->>'idempotency_key';

    PERFORM pg_notify('netra_wake', '');
    RETURN jsonb_build_object('jobs', v_jobs, 'facts', v_facts);
END $$;

-- Admits ready stages of a pool to Celery: as many as it has free slots, plus a little, to the
-- tenants that hold the least for their weight, by priority within a tenant.
CREATE FUNCTION netra_admit(p_pool text, p_ahead float8, p_stale_s float8, p_readmit_s float8)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_slots int;
    v_running int;
    v_admitted int;
    v_quota int;
    v_count int := 0;
    v_messages jsonb := '[]';
    v_facts jsonb := '[]';
    s record;
BEGIN
    SELECT coalesce(sum(concurrency), 0) INTO v_slots FROM workers
    WHERE pool = p_pool AND heartbeat_at > clock_timestamp() - make_interval(secs => p_stale_s);
    SELECT count(*) INTO v_running FROM stages WHERE pool = p_pool AND state = 'running';
    SELECT count(*) INTO v_admitted FROM stages WHERE pool = p_pool AND state = 'admitted';
    v_quota := ceil(v_slots * (1 + p_ahead)) - v_running - v_admitted;

    IF v_quota > 0 THEN
        FOR s IN
            WITH held AS (
                SELECT tenant_id, count(*) AS n FROM stages
                WHERE pool = p_pool AND state IN ('admitted', 'running') GROUP BY tenant_id
            ), candidate AS (
                SELECT c.id, c.ready_at, t.weight, t.max_running, coalesce(h.n, 0) AS held,
                    row_number() OVER (
                        PARTITION BY t.id ORDER BY c.priority DESC, c.ready_at) AS nth
                FROM tenants t
                LEFT JOIN held h ON h.tenant_id = t.id
                CROSS JOIN LATERAL (
                    SELECT r.id, r.priority, r.ready_at FROM stages r
                    WHERE r.pool = p_pool AND r.tenant_id = t.id AND r.state = 'ready'
                        AND r.run_at <= clock_timestamp()
                    ORDER BY r.priority DESC, r.ready_at LIMIT v_quota) c
            ), chosen AS (
                SELECT id, (held + nth) / weight AS turn, ready_at FROM candidate
                WHERE max_running IS NULL OR held + nth <= max_running
                ORDER BY turn, ready_at LIMIT v_quota
            )
            SELECT r.id, r.job_id, r.name, r.admission, r.attempt
            FROM chosen c JOIN stages r ON r.id = c.id JOIN jobs j ON j.id = r.job_id
            WHERE r.state = 'ready'
            ORDER BY c.turn, c.ready_at
            FOR NO KEY UPDATE OF j, r SKIP LOCKED
        LOOP
            v_count := v_count + 1;
            UPDATE stages SET state = 'admitted', admission = admission + 1,
                admitted_at = clock_timestamp() WHERE id = s.id;
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

-- Gives a locked, admitted stage to a worker.
CREATE FUNCTION netra_start(p_stage uuid, p_worker uuid, p_pid int, p_lease_s float8)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    s stages;
    j jobs;
    v_facts jsonb := '[]';
BEGIN
    UPDATE stages SET state = 'running', fence = fence + 1, worker_id = p_worker,
        worker_pid = p_pid, started_at = clock_timestamp(), finished_at = NULL,
        lease_until = clock_timestamp() + make_interval(secs => p_lease_s)
    WHERE id = p_stage RETURNING * INTO s;
    SELECT * INTO j FROM jobs WHERE id = s.job_id;
    IF j.state = 'queued' THEN
        UPDATE jobs SET state = 'running', started_at = clock_timestamp() WHERE id = j.id;
        v_facts := v_facts || netra_fact(j.id, 'job.started', NULL, '{}');
    END IF;
    v_facts := v_facts || netra_fact(j.id, 'stage.started', s.name, jsonb_build_object(
        'attempt', s.attempt, 'worker', p_worker));
    RETURN jsonb_build_object('facts', v_facts, 'claim', jsonb_build_object(
        'stage_id', s.id, 'job_id', j.id, 'tenant_id', s.tenant_id, 'workload_id', j.workload_id,
        'batch_id', j.batch_id, 'name', s.name, 'agent', s.agent, 'pool', s.pool,
        'params', s.params, 'after', to_jsonb(s.after), 'ingests', to_jsonb(j.ingests), 'attempt', s.attempt, 'fence', s.fence,
        'epoch', j.epoch, 'limit_s', s.limit_s, 'checkpoint', s.checkpoint, 'goal', j.goal,
        'job_params', j.params, 'traceparent', j.traceparent));
END $$;

-- Claims the stage that a Celery message named; NULL if the message is stale.
CREATE FUNCTION netra_claim(p_stage uuid, p_admission int, p_worker uuid, p_pid int,
    p_lease_s float8) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM jobs j WHERE j.id = (SELECT job_id FROM stages WHERE id = p_stage)
    FOR NO KEY UPDATE;
    PERFORM 1 FROM stages WHERE id = p_stage AND state = 'admitted' AND admission = p_admission
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN netra_start(p_stage, p_worker, p_pid, p_lease_s);
END $$;

-- Claims the next admitted stage of a pool, in the order of admission; NULL if there is none.
CREATE FUNCTION netra_claim_next(p_pool text, p_worker uuid, p_pid int, p_lease_s float8)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_stage uuid;
BEGIN
    SELECT s.id INTO v_stage FROM stages s JOIN jobs j ON j.id = s.job_id
    WHERE s.pool = p_pool AND s.state = 'admitted'
    ORDER BY s.admitted_at LIMIT 1
    FOR NO KEY UPDATE OF j, s SKIP LOCKED;
    IF v_stage IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN netra_start(v_stage, p_worker, p_pid, p_lease_s);
END $$;

-- Locks the job of a stage, then the stage if the fencing token is still good.
CREATE FUNCTION netra_hold(p_stage uuid, p_fence bigint) RETURNS stages LANGUAGE plpgsql AS $$
DECLARE
    s stages;
BEGIN
    PERFORM 1 FROM jobs j WHERE j.id = (SELECT job_id FROM stages WHERE id = p_stage)
    FOR NO KEY UPDATE;
    SELECT * INTO s FROM stages WHERE id = p_stage AND fence = p_fence AND state = 'running'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'stage % is no longer held with token %', p_stage, p_fence
            USING ERRCODE = 'NT001';
    END IF;
    RETURN s;
END $$;

-- Completes a stage: result, successors, fan-out and facts in one transaction.
CREATE FUNCTION netra_complete(p_stage uuid, p_fence bigint, p_content jsonb, p_tables jsonb,
    p_fan_out jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    s stages;
    j jobs;
    v_facts jsonb := '[]';
    v_ready int;
    v_children text[];
BEGIN
    s := netra_hold(p_stage, p_fence);
    UPDATE stages SET state = 'succeeded', finished_at = clock_timestamp(), lease_until = NULL,
        error = NULL, checkpoint = NULL WHERE id = s.id;
    INSERT INTO stage_results (stage_id, tenant_id, job_id, agent, attempt, content, tables)
    VALUES (s.id, s.tenant_id, s.job_id, s.agent, s.attempt, p_content, p_tables)
    ON CONFLICT (stage_id) DO UPDATE SET attempt = excluded.attempt, content = excluded.content,
        tables = excluded.tables, created_at = now();
    UPDATE jobs SET stages_left = stages_left - 1 WHERE id = s.job_id RETURNING * INTO j;
    v_facts := v_facts || netra_fact(s.job_id, 'stage.succeeded', s.name, jsonb_build_object(
        'attempt', s.attempt,
        'seconds', round(extract(epoch FROM clock_timestamp() - s.started_at)::numeric, 3)));

    IF p_fan_out IS NOT NULL AND j.stop_reason IS NULL
        AND NOT EXISTS (SELECT 1 FROM stages WHERE job_id = s.job_id AND state = 'failed') THEN
        INSERT INTO stages (id, tenant_id, job_id, name, position, agent, pool, params, after,
            pending, priority, limit_s, state, run_at, ready_at)
        SELECT c.id, s.tenant_id, s.job_id, c.name, s.position, c.agent, c.pool, c.params,
            ARRAY[s.name], 0, s.priority, c.limit_s, 'ready', clock_timestamp(), clock_timestamp()
        FROM jsonb_to_recordset(p_fan_out->'children') AS c(
            id uuid, name text, agent text, pool text, params jsonb, limit_s float8);
        SELECT array_agg(c->>'name') INTO v_children
        FROM jsonb_array_elements(p_fan_out->'children') AS c;
        -- Whoever waited for this stage now waits for the merge as well.
        UPDATE stages SET after = after || (p_fan_out->'merge'->>'name'), pending = pending + 1
        WHERE job_id = s.job_id AND s.name = ANY(after) AND state = 'blocked';
        INSERT INTO stages (id, tenant_id, job_id, name, position, agent, pool, params, after,
            pending, priority, limit_s, state, run_at)
        SELECT c.id, s.tenant_id, s.job_id, c.name, s.position, c.agent, c.pool, c.params,
            v_children, cardinality(v_children), s.priority, c.limit_s, 'blocked',
            clock_timestamp()
        FROM jsonb_to_record(p_fan_out->'merge') AS c(
            id uuid, name text, agent text, pool text, params jsonb, limit_s float8);
        UPDATE jobs SET stages_left = stages_left + cardinality(v_children) + 1
        WHERE id = s.job_id;
    END IF;

    UPDATE stages SET pending = pending - 1,
        state = CASE WHEN pending = 1 THEN 'ready' ELSE state END,
        ready_at = CASE WHEN pending = 1 THEN clock_timestamp() END
    WHERE job_id = s.job_id AND s.name = ANY(after) AND state = 'blocked';
    GET DIAGNOSTICS v_ready = ROW_COUNT;
    v_facts := v_facts || netra_settle(s.job_id);
    IF v_ready > 0 OR p_fan_out IS NOT NULL OR NOT EXISTS (
        SELECT 1 FROM stages WHERE pool = s.pool AND state = 'admitted') THEN
        PERFORM pg_notify('netra_wake', '');
    END IF;
    RETURN jsonb_build_object('facts', v_facts);
END $$;

-- Completes one stage and claims the next admitted one of its pool, in one round trip.
CREATE FUNCTION netra_complete_and_claim(p_stage uuid, p_fence bigint, p_content jsonb,
    p_tables jsonb, p_fan_out jsonb, p_pool text, p_worker uuid, p_pid int, p_lease_s float8)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_done jsonb;
    v_next jsonb;
BEGIN
    v_done := netra_complete(p_stage, p_fence, p_content, p_tables, p_fan_out);
    v_next := netra_claim_next(p_pool, p_worker, p_pid, p_lease_s);
    IF v_next IS NULL THEN
        RETURN v_done;
    END IF;
    RETURN jsonb_build_object('facts', (v_done->'facts') || (v_next->'facts'),
        'claim', v_next->'claim');
END $$;

-- Sends a held stage back to the queue.
CREATE FUNCTION netra_requeue(s stages, p_delay_s float8, p_reason text) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE stages SET state = 'ready', attempt = attempt + 1, lease_until = NULL,
        ready_at = clock_timestamp(),
        run_at = clock_timestamp() + make_interval(secs => p_delay_s) WHERE id = s.id;
    PERFORM pg_notify('netra_wake', '');
    RETURN jsonb_build_array(netra_fact(s.job_id, 'stage.retried', s.name, jsonb_build_object(
        'attempt', s.attempt + 1, 'reason', p_reason, 'delay_s', round(p_delay_s::numeric, 3))));
END $$;

-- Ends a held stage without success; what has not started of its job is skipped.
CREATE FUNCTION netra_end(s stages, p_state text, p_error jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    v_skipped int := 0;
    v_facts jsonb;
BEGIN
    UPDATE stages SET state = p_state, finished_at = clock_timestamp(), lease_until = NULL,
        error = coalesce(p_error, error) WHERE id = s.id;
    v_facts := jsonb_build_array(netra_fact(s.job_id, 'stage.' || p_state, s.name,
        jsonb_strip_nulls(jsonb_build_object(
            'attempt', s.attempt, 'error', p_error - 'traceback'))));
    IF p_state = 'failed' THEN
        INSERT INTO dead_letters (id, tenant_id, job_id, stage_id, agent, params, error, attempts,
            lost)
        VALUES (uuidv7(), s.tenant_id, s.job_id, s.id, s.agent, s.params, p_error, s.attempt,
            s.lost);
        UPDATE stages SET state = 'skipped', finished_at = clock_timestamp()
        WHERE job_id = s.job_id AND state IN ('blocked', 'ready', 'admitted');
        GET DIAGNOSTICS v_skipped = ROW_COUNT;
    END IF;
    UPDATE jobs SET stages_left = stages_left - 1 - v_skipped WHERE id = s.job_id;
    PERFORM pg_notify('netra_wake', '');
    RETURN v_facts || netra_settle(s.job_id);
END $$;

-- The agent raised: again after a while, or to the dead letters.
CREATE FUNCTION netra_fail(p_stage uuid, p_fence bigint, p_error jsonb, p_retry bool,
    p_max_failures int, p_backoff_s float8, p_backoff_max_s float8) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    s stages;
    v_stopped bool;
BEGIN
    s := netra_hold(p_stage, p_fence);
    SELECT stop_reason IS NOT NULL INTO v_stopped FROM jobs WHERE id = s.job_id;
    UPDATE stages SET failures = failures + 1, error = p_error WHERE id = s.id;
    IF v_stopped THEN
        RETURN jsonb_build_object('facts', netra_end(s, 'cancelled', NULL));
    ELSIF p_retry AND s.failures + 1 < p_max_failures THEN
        RETURN jsonb_build_object('facts', netra_requeue(s,
            least(p_backoff_max_s, p_backoff_s * power(2, s.failures)) * (0.5 + random() / 2),
            p_error->>'message'));
    END IF;
    RETURN jsonb_build_object('facts', netra_end(s, 'failed', p_error));
END $$;

-- The worker hands the stage back unharmed: a store was away, or the worker is going.
CREATE FUNCTION netra_release(p_stage uuid, p_fence bigint, p_delay_s float8, p_reason text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    s stages;
BEGIN
    s := netra_hold(p_stage, p_fence);
    IF EXISTS (SELECT 1 FROM jobs WHERE id = s.job_id AND stop_reason IS NOT NULL) THEN
        RETURN jsonb_build_object('facts', netra_end(s, 'cancelled', NULL));
    END IF;
    RETURN jsonb_build_object('facts', netra_requeue(s, p_delay_s, p_reason));
END $$;

-- The stage stopped because it was asked to.
CREATE FUNCTION netra_stopped(p_stage uuid, p_fence bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN jsonb_build_object('facts', netra_end(netra_hold(p_stage, p_fence), 'cancelled', NULL));
END $$;

-- Renews the leases of what a worker's living processes run, and says what should stop. What a
-- dead process held is free at once; a process born after the list was made gets the benefit of
-- the doubt.
CREATE FUNCTION netra_heartbeat(p_worker uuid, p_pids int[], p_lease_s float8)
RETURNS TABLE (stage_id uuid, fence bigint, worker_pid int, over_s float8, stop_s float8)
LANGUAGE sql AS $$
    UPDATE workers SET heartbeat_at = clock_timestamp() WHERE id = p_worker;
    UPDATE stages SET lease_until = clock_timestamp()
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

-- Takes back stages whose lease ran out. Not just after a start of the database: while it was away
-- nobody could renew a lease.
CREATE FUNCTION netra_reap(p_max_lost int, p_grace_s float8, p_limit int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    s stages;
    v_stopped bool;
    v_facts jsonb := '[]';
    v_error jsonb;
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
        ELSIF s.lost >= p_max_lost THEN
            v_error := jsonb_build_object('type', 'WorkerLost', 'message',
                format('the worker died or hung %s times while running this stage', s.lost));
            v_facts := v_facts || netra_end(s, 'failed', v_error);
        ELSE
            v_facts := v_facts || netra_requeue(s, 0, 'lease expired');
        END IF;
    END LOOP;
    RETURN jsonb_build_object('facts', v_facts, 'count', v_count);
END $$;

-- Asks a job to stop: what has not started is cancelled now, what runs is told. NULL: it had ended.
CREATE FUNCTION netra_stop(p_job uuid, p_reason text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    v_name text;
    v_facts jsonb := '[]';
BEGIN
    SELECT * INTO j FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
    IF NOT FOUND OR j.state NOT IN ('queued', 'running') THEN
        RETURN NULL;
    END IF;
    IF j.stop_reason IS NULL THEN
        UPDATE jobs SET stop_reason = p_reason, stop_requested_at = clock_timestamp()
        WHERE id = p_job;
    END IF;
    FOR v_name IN
        UPDATE stages SET state = 'cancelled', finished_at = clock_timestamp()
        WHERE job_id = p_job AND state IN ('blocked', 'ready', 'admitted') RETURNING name
    LOOP
        UPDATE jobs SET stages_left = stages_left - 1 WHERE id = p_job;
        v_facts := v_facts || netra_fact(p_job, 'stage.cancelled', v_name,
            jsonb_build_object('reason', p_reason));
    END LOOP;
    RETURN jsonb_build_object('facts', v_facts || netra_settle(p_job));
END $$;

-- Stops jobs that are past their deadline.
CREATE FUNCTION netra_expire(p_limit int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_job uuid;
    v_facts jsonb := '[]';
BEGIN
    FOR v_job IN
        SELECT id FROM jobs WHERE deadline < clock_timestamp() AND state IN ('queued', 'running')
            AND stop_reason IS NULL
        ORDER BY deadline LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        v_facts := v_facts || (netra_stop(v_job, 'deadline')->'facts');
    END LOOP;
    RETURN jsonb_build_object('facts', v_facts);
END $$;

-- Runs a job again from where it failed: a new epoch; stages that succeeded are kept.
-- NULL: the job is not in a state that can be retried.
CREATE FUNCTION netra_retry(p_job uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
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
        failures = 0, lost = 0, error = NULL, run_at = clock_timestamp(), started_at = NULL,
        finished_at = NULL, lease_until = NULL
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

-- Marks facts as sent. Not worth a flush: a fact sent twice is dropped by its number.
CREATE FUNCTION netra_published(p_jobs uuid[], p_epochs int[], p_seqs bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE facts f SET published = true
    FROM unnest(p_jobs, p_epochs, p_seqs) AS p(job_id, epoch, seq)
    WHERE f.job_id = p.job_id AND f.epoch = p.epoch AND f.seq = p.seq;
END $$;

-- Hands back what a worker's process holds without knowing it: it lost the answer to a claim.
CREATE FUNCTION netra_release_strays(p_worker uuid, p_pid int, p_keep uuid) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    s record;
    v_facts jsonb := '[]';
BEGIN
    FOR s IN
        SELECT id, fence FROM stages WHERE worker_id = p_worker AND state = 'running'
            AND (p_pid IS NULL OR worker_pid = p_pid) AND id IS DISTINCT FROM p_keep
    LOOP
        BEGIN
            v_facts := v_facts || (netra_release(s.id, s.fence, 0, 'handed back')->'facts');
        EXCEPTION WHEN SQLSTATE 'NT001' THEN
            NULL;  -- it ended in between
        END;
    END LOOP;
    RETURN jsonb_build_object('facts', v_facts);
END $$;
