-- What a fact costs: it is written as JSON's text once, and from then on only copied. As jsonb each fact
-- was taken apart and put together again wherever it went on: into the list of its transaction, into the
-- outbox, into the answer. ADR 0017.
--
-- Functions that the release before calls keep their names, arguments and types; what a statement of
-- such a process answers with must not change its type.
--
-- Where a row of jobs or stages is looked up by another's column, it is `id = ANY(ARRAY[that])` and not
-- `id = that`. Plans are made once, maybe while PostgreSQL knows a table to hold three rows, and are kept
-- until it looks again. For so few rows an equality is as cheap by reading a whole index and merging or
-- comparing: what was seen read 360 million pages once 20,000 stages waited. An array can only be looked up.

ALTER TABLE outbox ALTER facts TYPE json USING facts::text::json;

-- A fact as it is sent.
CREATE FUNCTION netra_told(p_job uuid, p_epoch int, p_seq bigint, p_tenant text, p_batch uuid,
    p_trace text, p_ts timestamptz, p_kind text, p_stage text, p_payload jsonb, p_outbox bigint)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN format('{"type":"fact","job_id":"%s","epoch":%s,"seq":%s,"ts":%s,"kind":%s,"stage":%s,'
    '"payload":%s,"tenant_id":%s,"batch_id":%s,"traceparent":%s,"outbox":%s}',
    p_job, p_epoch, p_seq, to_json(p_ts), to_json(p_kind), coalesce(to_json(p_stage)::text, 'null'),
    p_payload, to_json(p_tenant), coalesce(to_json(p_batch)::text, 'null'),
    coalesce(to_json(p_trace)::text, 'null'), p_outbox);

-- Completes a stage; `p_seconds` is how long it ran (NULL: since it was claimed). Answers with the facts.
CREATE FUNCTION netra_ended(p_stage uuid, p_fence bigint, p_content jsonb, p_tables jsonb,
    p_seconds float8, p_fan_out jsonb, p_outbox bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    s record;
    j record;
    v_whole stages;
    v_now timestamptz := clock_timestamp();
    v_state text;
    v_failed text[];
    v_payload jsonb;
    v_end jsonb;
BEGIN
    -- What all else has come to may be older than the lock; but if it succeeded, it did.
    SELECT k.id, epoch, seq, tenant_id, batch_id, traceparent, stages_left, stop_reason,
        k.stages_left = 1 AND (SELECT true FROM stages WHERE job_id = k.id AND id <> p_stage
            AND state <> 'succeeded' LIMIT 1) IS NULL AS succeeded
    INTO j FROM jobs k WHERE k.id = (SELECT job_id FROM stages WHERE id = p_stage)
    FOR NO KEY UPDATE;
    UPDATE stages SET state = 'succeeded', finished_at = v_now, lease_until = NULL, error = NULL,
        checkpoint = NULL
    WHERE id = p_stage AND fence = p_fence AND state = 'running'
    RETURNING id, tenant_id, job_id, name, agent, attempt, started_at INTO s;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'stage % is no longer held with token %', p_stage, p_fence
            USING ERRCODE = 'NT001';
    END IF;
    INSERT INTO stage_results (stage_id, tenant_id, job_id, agent, attempt, content, tables)
    VALUES (s.id, s.tenant_id, s.job_id, s.agent, s.attempt, p_content, p_tables)
    ON CONFLICT (stage_id) DO UPDATE SET attempt = excluded.attempt, content = excluded.content,
        tables = excluded.tables, created_at = now();
    v_payload := jsonb_build_object('attempt', s.attempt, 'seconds', round(coalesce(p_seconds,
        extract(epoch FROM v_now - s.started_at))::numeric, 3));
    IF p_fan_out IS NOT NULL THEN
        SELECT * INTO v_whole FROM stages WHERE id = p_stage;
        j.stages_left := j.stages_left + netra_fan_out(v_whole, j.stop_reason, p_fan_out);
    END IF;
    IF j.stages_left > 1 THEN
        UPDATE jobs SET stages_left = j.stages_left - 1, seq = seq + 1 WHERE id = j.id;
        INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload,
            published)
        VALUES (j.id, j.epoch, j.seq + 1, j.tenant_id, j.batch_id, v_now, 'stage.succeeded',
            s.name, v_payload, true);
        UPDATE stages SET pending = pending - 1,
            state = CASE WHEN pending = 1 THEN 'ready' ELSE state END,
            ready_at = CASE WHEN pending = 1 THEN v_now END
        WHERE job_id = s.job_id AND s.name = ANY(after) AND state = 'blocked';
        IF FOUND THEN
            PERFORM pg_notify('netra_wake', '');
        END IF;
        RETURN netra_told(j.id, j.epoch, j.seq + 1, j.tenant_id, j.batch_id, j.traceparent, v_now,
            'stage.succeeded', s.name, v_payload, p_outbox);
    END IF;

    IF j.succeeded THEN
        v_state := 'succeeded';
    ELSE
        SELECT array_agg(name ORDER BY position) FILTER (WHERE state = 'failed'),
            CASE WHEN bool_and(state = 'succeeded') THEN 'succeeded'
                WHEN j.stop_reason = 'cancelled' AND NOT bool_or(state = 'failed') THEN 'cancelled'
                ELSE 'failed' END
        INTO v_failed, v_state FROM stages WHERE job_id = s.job_id;
    END IF;
    v_end := jsonb_strip_nulls(jsonb_build_object(
        'failed_stages', to_jsonb(v_failed), 'reason', j.stop_reason));
    UPDATE jobs SET stages_left = 0, seq = j.seq + 2, state = v_state,
        finished_at = v_now WHERE id = j.id;
    INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload, published)
    VALUES (j.id, j.epoch, j.seq + 1, j.tenant_id, j.batch_id, v_now, 'stage.succeeded', s.name,
            v_payload, true),
        (j.id, j.epoch, j.seq + 2, j.tenant_id, j.batch_id, v_now, 'job.' || v_state, NULL, v_end,
            true);
    RETURN netra_told(j.id, j.epoch, j.seq + 1, j.tenant_id, j.batch_id, j.traceparent, v_now,
            'stage.succeeded', s.name, v_payload, p_outbox) || ','
        || netra_told(j.id, j.epoch, j.seq + 2, j.tenant_id, j.batch_id, j.traceparent, v_now,
            'job.' || v_state, NULL, v_end, p_outbox);
END $$;

-- Gives an admitted stage to a worker; the caller holds the job's lock.
CREATE FUNCTION netra_begun(p_stage uuid, p_worker uuid, p_pid int, p_lease_s float8,
    p_outbox bigint, OUT facts text, OUT claim text) LANGUAGE plpgsql AS $$
DECLARE
    s record;
    j record;
    v_now timestamptz := clock_timestamp();
    v_payload jsonb;
BEGIN
    UPDATE stages SET state = 'running', fence = fence + 1, worker_id = p_worker,
        worker_pid = p_pid, started_at = v_now, finished_at = NULL,
        lease_until = v_now + make_interval(secs => p_lease_s)
    WHERE id = p_stage
    RETURNING id, job_id, tenant_id, name, agent, pool, params, after, attempt, fence, limit_s,
        checkpoint INTO s;
    UPDATE jobs SET state = 'running',
        started_at = CASE WHEN state = 'queued' THEN v_now ELSE started_at END,
        seq = seq + CASE WHEN state = 'queued' THEN 2 ELSE 1 END
    WHERE id = s.job_id RETURNING jobs.id, jobs.epoch, jobs.seq, jobs.tenant_id,
        jobs.batch_id, jobs.traceparent, jobs.workload_id, jobs.ingests, jobs.goal, jobs.params,
        old.state = 'queued' AS is_first INTO j;
    v_payload := jsonb_build_object('attempt', s.attempt, 'worker', p_worker);
    facts := netra_told(j.id, j.epoch, j.seq, j.tenant_id, j.batch_id, j.traceparent, v_now,
        'stage.started', s.name, v_payload, p_outbox);
    IF j.is_first THEN
        INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload,
            published)
        VALUES (j.id, j.epoch, j.seq - 1, j.tenant_id, j.batch_id, v_now, 'job.started', NULL,
                '{}', true),
            (j.id, j.epoch, j.seq, j.tenant_id, j.batch_id, v_now, 'stage.started', s.name,
                v_payload, true);
        facts := netra_told(j.id, j.epoch, j.seq - 1, j.tenant_id, j.batch_id, j.traceparent, v_now,
            'job.started', NULL, '{}', p_outbox) || ',' || facts;
    ELSE
        INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload,
            published)
        VALUES (j.id, j.epoch, j.seq, j.tenant_id, j.batch_id, v_now, 'stage.started', s.name,
            v_payload, true);
    END IF;
    claim := json_build_object(
        'stage_id', s.id, 'job_id', j.id, 'tenant_id', s.tenant_id, 'workload_id', j.workload_id,
        'batch_id', j.batch_id, 'name', s.name, 'agent', s.agent, 'pool', s.pool,
        'params', s.params, 'after', to_jsonb(s.after), 'ingests', to_jsonb(j.ingests),
        'attempt', s.attempt, 'fence', s.fence, 'epoch', j.epoch, 'limit_s', s.limit_s,
        'checkpoint', s.checkpoint, 'goal', j.goal, 'job_params', j.params,
        'traceparent', j.traceparent);
END $$;

-- Completes stages and begins others, all or none: `p_done` is [{"stage", "fence", "content", "tables",
-- "seconds"}], `p_begin` are admitted stages. The caller holds the locks of their jobs, and has set what
-- plans are made with. One statement for everything costs more than the small ones above where there
-- is one stage, and half as much where there are eight.
--
-- Within a job the facts are numbered in the order: stages that have ended, the job's end or its
-- start, stages that begin.
CREATE FUNCTION netra_moved(p_done jsonb, p_begin uuid[], p_worker uuid, p_pid int,
    p_lease_s float8, p_outbox bigint, OUT facts text, OUT claims text) LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_ended int;
    v_freed bool;
BEGIN
    WITH ended AS (
        UPDATE stages s SET state = 'succeeded', finished_at = v_now, lease_until = NULL,
            error = NULL, checkpoint = NULL
        FROM jsonb_to_recordset(p_done) AS d(
            stage uuid, fence bigint, content jsonb, tables jsonb, seconds float8)
        WHERE s.id = ANY(ARRAY[d.stage]) AND s.fence = d.fence AND s.state = 'running'
        RETURNING s.id, s.tenant_id, s.job_id, s.name, s.agent, s.attempt, d.content, d.tables,
            round(coalesce(d.seconds, extract(epoch FROM v_now - s.started_at))::numeric, 3)
                AS seconds
    ), kept AS (
        INSERT INTO stage_results (stage_id, tenant_id, job_id, agent, attempt, content, tables)
        SELECT id, tenant_id, job_id, agent, attempt, content, tables FROM ended
        ON CONFLICT (stage_id) DO UPDATE SET attempt = excluded.attempt,
            content = excluded.content, tables = excluded.tables, created_at = now()
    ), lessened AS (
        SELECT e.job_id, j.stop_reason, j.stages_left = e.n AS over
        FROM (SELECT job_id, count(*) AS n FROM ended GROUP BY job_id) e
        JOIN jobs j ON j.id = ANY(ARRAY[e.job_id])
    ), fate AS (
        -- This statement still sees as running what it ends: nothing else is left of the job.
        SELECT l.job_id, f.failed, CASE WHEN f.succeeded THEN 'succeeded'
            WHEN l.stop_reason = 'cancelled' AND f.failed IS NULL THEN 'cancelled'
            ELSE 'failed' END AS state
        FROM lessened l CROSS JOIN LATERAL (
            SELECT array_agg(name ORDER BY position) FILTER (WHERE state = 'failed') AS failed,
                bool_and(state IN ('succeeded', 'running')) AS succeeded
            FROM stages WHERE job_id = l.job_id) f
        WHERE l.over
    ), awaiting AS MATERIALIZED (
        SELECT b.id FROM lessened l
        JOIN ended e ON e.job_id = l.job_id
        JOIN stages b ON b.job_id = ANY(ARRAY[l.job_id]) AND e.name = ANY(b.after)
        WHERE NOT l.over AND b.state = 'blocked'
    ), freed AS (
        UPDATE stages w SET pending = w.pending - f.n,
            state = CASE WHEN w.pending = f.n THEN 'ready' ELSE w.state END,
            ready_at = CASE WHEN w.pending = f.n THEN v_now END
        FROM (SELECT id, count(*) AS n FROM awaiting GROUP BY id) f
        WHERE w.id = ANY(ARRAY[f.id])
        RETURNING w.id
    ), begun AS (
        UPDATE stages s SET state = 'running', fence = s.fence + 1, worker_id = p_worker,
            worker_pid = p_pid, started_at = v_now, finished_at = NULL,
            lease_until = v_now + make_interval(secs => p_lease_s)
        FROM unnest(p_begin) WITH ORDINALITY AS c(id, nth)
        WHERE s.id = ANY(ARRAY[c.id])
        RETURNING s.id, s.job_id, s.tenant_id, s.name, s.agent, s.pool, s.params, s.after,
            s.attempt, s.fence, s.limit_s, s.checkpoint, c.nth
    ), moved AS (
        UPDATE jobs j SET stages_left = j.stages_left - t.ended,
            seq = j.seq + t.ended + t.begun + (f.state IS NOT NULL)::int
                + (t.begun > 0 AND j.state = 'queued')::int,
            state = CASE WHEN f.state IS NOT NULL THEN f.state WHEN t.begun > 0 THEN 'running'
                ELSE j.state END,
            started_at = CASE WHEN t.begun > 0 AND j.state = 'queued' THEN v_now
                ELSE j.started_at END,
            finished_at = CASE WHEN f.state IS NOT NULL THEN v_now ELSE j.finished_at END
        FROM (SELECT job_id, count(*) FILTER (WHERE over) AS ended,
                count(*) FILTER (WHERE NOT over) AS begun
            FROM (SELECT job_id, true AS over FROM ended
                UNION ALL SELECT job_id, false FROM begun) b GROUP BY job_id) t
        LEFT JOIN fate f ON f.job_id = t.job_id
        WHERE j.id = ANY(ARRAY[t.job_id])
        RETURNING j.id, j.epoch, old.seq AS before, j.tenant_id, j.batch_id, j.traceparent,
            j.stop_reason, j.workload_id, j.ingests, j.goal, j.params, f.state AS fate, f.failed,
            t.begun > 0 AND old.state = 'queued' AS is_first
    ), told AS (
        SELECT m.id, m.epoch, m.tenant_id, m.batch_id, m.traceparent, t.kind, t.stage, t.payload,
            m.before + row_number() OVER (PARTITION BY m.id ORDER BY t.place, t.nth) AS seq
        FROM (
            SELECT job_id, 1 AS place, 0::bigint AS nth, 'stage.succeeded' AS kind, name AS stage,
                jsonb_build_object('attempt', attempt, 'seconds', seconds) AS payload
            FROM ended
            UNION ALL
            SELECT id, 2, 0, 'job.' || fate, NULL, jsonb_strip_nulls(jsonb_build_object(
                'failed_stages', to_jsonb(failed), 'reason', stop_reason))
            FROM moved WHERE fate IS NOT NULL
            UNION ALL
            SELECT id, 3, 0, 'job.started', NULL, '{}' FROM moved WHERE is_first
            UNION ALL
            SELECT job_id, 4, nth, 'stage.started', name,
                jsonb_build_object('attempt', attempt, 'worker', p_worker)
            FROM begun) t
        JOIN moved m ON m.id = t.job_id
    ), written AS (
        INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload,
            published)
        SELECT id, epoch, seq, tenant_id, batch_id, v_now, kind, stage, payload, true FROM told
    ), said AS (
        SELECT string_agg(netra_told(id, epoch, seq, tenant_id, batch_id, traceparent, v_now, kind,
            stage, payload, p_outbox), ',') AS facts
        FROM told
    )
    SELECT (SELECT said.facts FROM said),
        (SELECT string_agg(json_build_object(
            'stage_id', b.id, 'job_id', m.id, 'tenant_id', b.tenant_id,
            'workload_id', m.workload_id, 'batch_id', m.batch_id, 'name', b.name,
            'agent', b.agent, 'pool', b.pool, 'params', b.params, 'after', to_jsonb(b.after),
            'ingests', to_jsonb(m.ingests), 'attempt', b.attempt, 'fence', b.fence,
            'epoch', m.epoch, 'limit_s', b.limit_s, 'checkpoint', b.checkpoint, 'goal', m.goal,
            'job_params', m.params, 'traceparent', m.traceparent)::text, ',' ORDER BY b.nth)
        FROM begun b JOIN moved m ON m.id = b.job_id),
        (SELECT count(*) FROM ended), EXISTS (SELECT 1 FROM freed)
    INTO facts, claims, v_ended, v_freed;

    IF v_ended < jsonb_array_length(p_done) THEN
        RAISE EXCEPTION '%', (
            SELECT string_agg(format('stage %s is no longer held with token %s', d.stage, d.fence),
                '; ')
            FROM jsonb_to_recordset(p_done) AS d(stage uuid, fence bigint)
            WHERE NOT EXISTS (SELECT 1 FROM stages
                WHERE id = d.stage AND fence = d.fence AND finished_at = v_now))
            USING ERRCODE = 'NT001';
    END IF;
    IF v_freed THEN
        PERFORM pg_notify('netra_wake', '');
    END IF;
END $$;

-- Picks and locks an admitted stage of a pool: of the tenant that runs the least for its weight,
-- among equals of the one that is furthest behind in its turns, and of its stages the one whose
-- turn it is. NULL: there is none.
CREATE OR REPLACE FUNCTION netra_pick(p_pool text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    v_first text;
    v_last text;
    v_stage uuid;
BEGIN
    SELECT min(tenant_id), max(tenant_id) INTO v_first, v_last FROM stages
    WHERE pool = p_pool AND state = 'admitted';
    IF v_first = v_last THEN
        SELECT s.id INTO v_stage FROM stages s JOIN jobs j ON j.id = ANY(ARRAY[s.job_id])
        WHERE s.pool = p_pool AND s.state = 'admitted' AND s.tenant_id = v_first
        ORDER BY netra_turn(s.ready_at, s.priority) LIMIT 1
        FOR NO KEY UPDATE OF j, s SKIP LOCKED;
    ELSIF v_first IS NOT NULL THEN
        SELECT s.id INTO v_stage FROM stages s
        JOIN jobs j ON j.id = ANY(ARRAY[s.job_id])
        JOIN tenants t ON t.id = s.tenant_id
        LEFT JOIN (SELECT tenant_id, count(*) AS n FROM stages
            WHERE pool = p_pool AND state = 'running' GROUP BY tenant_id) r
            ON r.tenant_id = s.tenant_id
        JOIN (SELECT tenant_id, count(*) AS n FROM stages
            WHERE pool = p_pool AND state = 'admitted' GROUP BY tenant_id) a
            ON a.tenant_id = s.tenant_id
        LEFT JOIN shares p ON p.pool = p_pool AND p.tenant_id = s.tenant_id
        WHERE s.pool = p_pool AND s.state = 'admitted'
        ORDER BY coalesce(r.n, 0) / t.weight, coalesce(p.finished, 0) - a.n / t.weight,
            netra_turn(s.ready_at, s.priority), s.admitted_at
        LIMIT 1
        FOR NO KEY UPDATE OF j, s SKIP LOCKED;
    END IF;
    RETURN v_stage;
END $$;

-- Completes stages that a worker's process holds, all or none, and claims the next of its pool
-- (none if `p_most` is 0): whose turn it is, and if that is short up to `p_most` short ones; one that
-- was tried before comes alone, so that it can harm no other. `p_done` as in netra_moved; `p_fan_out`
-- belongs to the only one. `p_sent` of the outbox were sent since the last call.
CREATE FUNCTION netra_report(p_done jsonb, p_fan_out jsonb, p_pool text, p_worker uuid,
    p_pid int, p_lease_s float8, p_most int, p_sent bigint[]) RETURNS json LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_outbox bigint := nextval('outbox_id_seq');
    v_many bool := jsonb_array_length(p_done) > 1;
    v_tenant text;
    v_stage uuid;
    v_easy bool;
    v_begin uuid[] := '{}';
    v_few int := 16;
    v_left int;
    v_facts text[] := '{}';
    v_claims text[] := '{}';
    v_said text;
    v_next record;
BEGIN
    IF p_sent <> '{}' THEN
        DELETE FROM outbox WHERE id = ANY(p_sent);
    END IF;
    IF v_many THEN
        -- In the order in which running jobs of a batch are stopped, so that neither waits for the
        -- other.
        PERFORM 1 FROM jobs WHERE id = ANY(ARRAY(
            SELECT job_id FROM stages WHERE id = ANY(ARRAY(
                SELECT (one->>'stage')::uuid FROM jsonb_array_elements(p_done) AS one))))
        ORDER BY id DESC FOR NO KEY UPDATE;
    ELSIF p_done <> '[]' THEN
        v_facts := ARRAY[netra_ended((p_done->0->>'stage')::uuid, (p_done->0->>'fence')::bigint,
            p_done->0->'content', p_done->0->'tables', (p_done->0->>'seconds')::float8, p_fan_out,
            v_outbox)];
    END IF;

    IF p_most > 0 THEN
        -- All that waits is mostly one tenant's.
        SELECT s.id, s.tenant_id, s.short AND s.attempt = 1, (SELECT count(*) FROM (
            SELECT 1 FROM stages WHERE pool = p_pool AND state = 'admitted' LIMIT v_few + 1) c)
        INTO v_stage, v_tenant, v_easy, v_left
        FROM stages s JOIN jobs j ON j.id = ANY(ARRAY[s.job_id])
        WHERE s.pool = p_pool AND s.state = 'admitted'
            AND s.tenant_id = (SELECT min(tenant_id) FROM stages
                WHERE pool = p_pool AND state = 'admitted')
            AND s.tenant_id = (SELECT max(tenant_id) FROM stages
                WHERE pool = p_pool AND state = 'admitted')
        ORDER BY netra_turn(s.ready_at, s.priority) LIMIT 1
        FOR NO KEY UPDATE OF j, s SKIP LOCKED;
        IF FOUND THEN
            v_begin := ARRAY[v_stage];
            IF v_easy AND p_most > 1 THEN
                v_few := 8 * p_most;
                SELECT v_begin || array_agg(id), (SELECT count(*) FROM (
                    SELECT 1 FROM stages WHERE pool = p_pool AND state = 'admitted'
                    LIMIT v_few + p_most) c)
                INTO v_begin, v_left FROM (
                    SELECT s.id FROM stages s JOIN jobs j ON j.id = ANY(ARRAY[s.job_id])
                    WHERE s.pool = p_pool AND s.state = 'admitted' AND s.tenant_id = v_tenant
                        AND s.short AND s.attempt = 1 AND s.id <> v_stage
                    ORDER BY netra_turn(s.ready_at, s.priority) LIMIT p_most - 1
                    FOR NO KEY UPDATE OF j, s SKIP LOCKED) others;
            END IF;
            v_left := v_left - cardinality(v_begin);
        END IF;
    END IF;
    IF v_many OR cardinality(v_begin) > 1 THEN
        v_next := netra_moved(CASE WHEN v_many THEN p_done ELSE '[]' END, v_begin, p_worker, p_pid,
            p_lease_s, v_outbox);
        v_facts := v_facts || v_next.facts;
        v_claims := ARRAY[v_next.claims];
    ELSIF v_begin <> '{}' THEN
        v_next := netra_begun(v_stage, p_worker, p_pid, p_lease_s, v_outbox);
        v_facts := v_facts || v_next.facts;
        v_claims := ARRAY[v_next.claim];
    END IF;
    IF p_most > 0 AND v_begin = '{}' THEN
        -- Several tenants: whose turn it is changes with each that begins.
        FOR v_nth IN 1..p_most LOOP
            v_stage := netra_pick(p_pool);
            EXIT WHEN v_stage IS NULL;
            SELECT short AND attempt = 1 INTO v_easy FROM stages WHERE id = v_stage;
            -- It stays admitted, and is the next one's.
            EXIT WHEN v_nth > 1 AND NOT v_easy;
            v_next := netra_begun(v_stage, p_worker, p_pid, p_lease_s, v_outbox);
            v_begin := v_begin || v_stage;
            v_facts := v_facts || v_next.facts;
            v_claims := v_claims || v_next.claim;
            EXIT WHEN NOT v_easy;
        END LOOP;
        SELECT count(*) INTO v_left FROM (SELECT 1 FROM stages
            WHERE pool = p_pool AND state = 'admitted' LIMIT v_few) c;
    END IF;
    -- The next ones are admitted while these run: said once, when few are left. And when nothing is.
    IF v_left < v_few AND v_left + cardinality(v_begin) >= v_few
        OR v_begin = '{}' AND p_done <> '[]' THEN
        PERFORM pg_notify('netra_wake', '');
    END IF;
    -- NULLs in between are left out.
    v_said := '[' || array_to_string(v_facts, ',') || ']';
    IF v_said <> '[]' THEN
        INSERT INTO outbox (id, facts) VALUES (v_outbox, v_said::json);
    END IF;
    RETURN '{"facts":' || v_said || ',"claims":[' || array_to_string(v_claims, ',') || ']}';
END $$;

-- Admits ready stages of a pool: as many as it has free slots, and some ahead (a share `p_ahead` of the
-- slots, `p_least` at least), so that a worker that is done finds the next. A short stage takes an eighth of the room of another.
--
-- Among tenants: first to whoever holds the least for its weight. Tenants that are equal in this
-- take turns by start-time fair queueing (Goyal, Vin and Cheng 1996): each admission moves a
-- tenant on by 1 / weight, the one that is furthest behind goes first, and who comes back after a
-- pause starts where the others are. Within a tenant: by priority and waiting time (netra_turn).
-- So every ready stage is reached: nothing starves. A tenant that holds nothing in the pool is not
-- kept out by what others were admitted ahead.
--
-- One scheduler at a time: two that count the same free slots would admit twice as much as there
-- is room for. The lock is held within this one statement, whatever happens to the client.
--
-- "messages" wake workers: one for each slot that is free and has something to run. What was
-- admitted beyond that is found by whoever completes a stage. "waiting" is how many slots are free
-- although stages had been admitted before: their wake-ups are under way, or lost.
CREATE FUNCTION netra_admit_ready(p_pool text, p_ahead float8, p_least int, p_stale_s float8,
    p_readmit_s float8) RETURNS json LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_slots int;
    v_running int;
    v_admitted int;
    v_room float8;
    v_free int;
    v_ready bool;
    v_dense int;
    v_now float8;
    v_outbox bigint;
    v_chosen uuid[];
    v_locked uuid[];
    v_starts float8[];
    v_steps float8[];
    v_messages jsonb := '[]';
    v_facts text := '[]';
    s record;
BEGIN
    -- Most calls end here: a wake-up does not say for which pool it is.
    IF NOT EXISTS (SELECT 1 FROM stages WHERE pool = p_pool AND state = 'ready')
            AND NOT EXISTS (SELECT 1 FROM stages WHERE pool = p_pool AND state = 'admitted') THEN
        RETURN json_build_object('messages', v_messages, 'facts', v_facts::json, 'waiting', 0,
            'passed_over', false);
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtext('netra_admit')) THEN
        RETURN json_build_object('messages', v_messages, 'facts', v_facts::json, 'waiting', 0,
            'passed_over', true);
    END IF;
    SELECT coalesce(sum(concurrency), 0) INTO v_slots FROM workers
    WHERE pool = p_pool AND heartbeat_at > clock_timestamp() - make_interval(secs => p_stale_s);
    SELECT count(*) INTO v_running FROM stages WHERE pool = p_pool AND state = 'running';
    SELECT count(*), coalesce(sum(CASE WHEN short THEN 0.125 ELSE 1 END), 0)
    INTO v_admitted, v_room FROM stages WHERE pool = p_pool AND state = 'admitted';
    v_room := greatest(ceil(v_slots * (1 + p_ahead)), v_slots + p_least) - v_running - v_room;
    v_free := greatest(v_slots - v_running, 0);
    v_dense := CASE WHEN EXISTS (SELECT 1 FROM stages WHERE pool = p_pool AND state = 'ready'
        AND short) THEN 8 ELSE 1 END;
    v_ready := EXISTS (SELECT 1 FROM stages WHERE pool = p_pool AND state = 'ready'
        AND run_at <= clock_timestamp());

    -- Whoever holds nothing gets one in any case, so that it is there when a slot is free; claims
    -- are made in a fair order. At most as many as there are slots.
    IF v_ready AND v_slots > 0 AND v_room + v_slots > 0 THEN
        -- The virtual time: where the furthest behind of those that hold something is.
        SELECT coalesce(min(p.finished - h.n / t.weight),
            (SELECT max(started) FROM shares WHERE pool = p_pool), 0) INTO v_now
        FROM (SELECT tenant_id, count(*) AS n FROM (
                SELECT tenant_id FROM stages WHERE pool = p_pool AND state = 'admitted'
                UNION ALL SELECT tenant_id FROM stages WHERE pool = p_pool AND state = 'running') h
            GROUP BY tenant_id) h
        JOIN tenants t ON t.id = h.tenant_id
        JOIN shares p ON p.pool = p_pool AND p.tenant_id = h.tenant_id;

        -- Tenants are found by those of their stages that are ready: most of them have none.
        WITH RECURSIVE asking AS (
            SELECT min(tenant_id) AS id FROM stages WHERE pool = p_pool AND state = 'ready'
            UNION ALL
            SELECT (SELECT min(tenant_id) FROM stages
                WHERE pool = p_pool AND state = 'ready' AND tenant_id > a.id)
            FROM asking a WHERE a.id IS NOT NULL
        ), held AS (
            SELECT tenant_id, count(*) AS n, count(*) FILTER (WHERE pool = p_pool) AS here
            FROM (SELECT tenant_id, pool FROM stages WHERE state = 'admitted'
                UNION ALL SELECT tenant_id, pool FROM stages WHERE state = 'running') h
            GROUP BY tenant_id
        ), candidate AS (
            SELECT c.id, c.cost, t.weight, t.max_running, coalesce(h.n, 0) AS held,
                coalesce(h.here, 0) AS here, greatest(coalesce(p.finished, 0), v_now) AS began,
                row_number() OVER (PARTITION BY t.id ORDER BY c.turn, c.id) AS nth
            FROM asking a
            JOIN tenants t ON t.id = ANY(ARRAY[a.id])
            LEFT JOIN held h ON h.tenant_id = t.id
            LEFT JOIN shares p ON p.pool = p_pool AND p.tenant_id = t.id
            CROSS JOIN LATERAL (
                SELECT r.id, netra_turn(r.ready_at, r.priority) AS turn,
                    CASE WHEN r.short THEN 0.125 ELSE 1 END AS cost
                FROM stages r
                WHERE r.pool = p_pool AND r.tenant_id = t.id AND r.state = 'ready'
                    AND r.run_at <= clock_timestamp()
                ORDER BY netra_turn(r.ready_at, r.priority)
                LIMIT greatest(ceil(v_room * v_dense), 1)) c
        ), ranked AS (
            SELECT id, share, start, step, first,
                sum(cost) OVER (ORDER BY share, start, id) AS place
            FROM (SELECT id, cost, (here + nth - 1) / weight AS share,
                    began + (nth - 1) / weight AS start, 1 / weight AS step,
                    here + nth = 1 AS first
                FROM candidate WHERE max_running IS NULL OR held + nth <= max_running) c
        )
        SELECT array_agg(id ORDER BY share, start, id), array_agg(start ORDER BY share, start, id),
            array_agg(step ORDER BY share, start, id)
        INTO v_chosen, v_starts, v_steps FROM ranked
        WHERE place <= v_room OR first AND place <= v_room + v_slots;

        -- Those of them that nobody else has locked. The state is written in a way that leads to no
        -- index: a plan made while few are ready would go on reading all that are.
        SELECT array_agg(id) INTO v_locked FROM (
            SELECT r.id FROM stages r JOIN jobs j ON j.id = ANY(ARRAY[r.job_id])
            WHERE r.id = ANY(v_chosen) AND coalesce(r.state, '') = 'ready'
            FOR NO KEY UPDATE OF j, r SKIP LOCKED) l;
        SELECT array_agg(id ORDER BY nth), array_agg(start ORDER BY nth), array_agg(step ORDER BY nth)
        INTO v_chosen, v_starts, v_steps
        FROM unnest(v_chosen, v_starts, v_steps) WITH ORDINALITY AS c(id, start, step, nth)
        WHERE id = ANY(v_locked);
    END IF;

    IF v_chosen IS NOT NULL THEN
        v_outbox := nextval('outbox_id_seq');
        WITH admitted AS (
            UPDATE stages r SET state = 'admitted', admission = admission + 1,
                admitted_at = clock_timestamp()
            FROM unnest(v_chosen, v_starts, v_steps) WITH ORDINALITY AS c(id, start, step, nth)
            WHERE r.id = ANY(ARRAY[c.id])
            RETURNING r.id, r.job_id, r.tenant_id, r.name, r.admission, r.attempt, c.start, c.step,
                c.nth
        ), shared AS (
            INSERT INTO shares (pool, tenant_id, started, finished)
            SELECT p_pool, tenant_id, max(start), max(start + step) FROM admitted
            GROUP BY tenant_id
            ON CONFLICT (pool, tenant_id) DO UPDATE
                SET started = excluded.started, finished = excluded.finished
        ), numbered AS (
            UPDATE jobs j SET seq = j.seq + a.n
            FROM (SELECT job_id, count(*) AS n FROM admitted GROUP BY job_id) a
            WHERE j.id = ANY(ARRAY[a.job_id])
            RETURNING j.id, j.epoch, j.seq - a.n AS before, j.tenant_id, j.batch_id, j.traceparent
        ), told AS (
            SELECT j.id AS job_id, j.epoch, j.tenant_id, j.batch_id, j.traceparent,
                clock_timestamp() AS ts,
                j.before + row_number() OVER (PARTITION BY j.id ORDER BY a.nth) AS seq,
                a.name AS stage, a.nth,
                jsonb_build_object('attempt', a.attempt, 'pool', p_pool) AS payload
            FROM admitted a JOIN numbered j ON j.id = a.job_id
        ), written AS (
            INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload,
                published)
            SELECT job_id, epoch, seq, tenant_id, batch_id, ts, 'stage.admitted', stage, payload,
                true
            FROM told
        ), said AS (
            SELECT '[' || string_agg(netra_told(job_id, epoch, seq, tenant_id, batch_id,
                traceparent, ts, 'stage.admitted', stage, payload, v_outbox), ',' ORDER BY nth)
                || ']' AS facts
            FROM told
        ), kept AS (
            INSERT INTO outbox (id, facts) SELECT v_outbox, facts::json FROM said
        )
        SELECT said.facts, (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'stage_id', id, 'admission', admission) ORDER BY nth), '[]')
            FROM admitted WHERE nth <= v_free)
        INTO v_facts, v_messages FROM said;
    END IF;

    -- The message may have been lost: the wake-up signal is not durable, the row is.
    IF v_running < v_slots AND v_admitted > 0 THEN
        FOR s IN
            SELECT r.id, r.admission FROM stages r JOIN jobs j ON j.id = ANY(ARRAY[r.job_id])
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
    RETURN json_build_object('messages', v_messages, 'facts', v_facts::json,
        'waiting', least(v_admitted, v_free),
        'passed_over', v_ready AND coalesce(cardinality(v_chosen), 0) < v_room AND EXISTS (
            SELECT 1 FROM stages WHERE pool = p_pool AND state = 'ready'
                AND run_at <= clock_timestamp()));
END $$;

-- To several pools, one after the other: a scheduler that is woken knows no pool. In one transaction: one
-- flush, and what fails for one pool is admitted to none.
CREATE FUNCTION netra_admit_pools(p_pools text[], p_ahead float8, p_least int, p_stale_s float8,
    p_readmit_s float8) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT json_object_agg(pool, netra_admit_ready(pool, p_ahead, p_least, p_stale_s,
        p_readmit_s)) FROM unnest(p_pools) AS pool);
END $$;

-- As processes of the release before call them.
CREATE OR REPLACE FUNCTION netra_finish(p_done jsonb, p_fan_out jsonb, p_pool text, p_worker uuid,
    p_pid int, p_lease_s float8, p_most int, p_sent bigint[]) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN netra_report(p_done, p_fan_out, p_pool, p_worker, p_pid, p_lease_s, p_most, p_sent);
END $$;

CREATE OR REPLACE FUNCTION netra_admit(p_pool text, p_ahead float8, p_least int, p_stale_s float8,
    p_readmit_s float8) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN netra_admit_ready(p_pool, p_ahead, p_least, p_stale_s, p_readmit_s);
END $$;

-- As the release before the last calls them: what they read of the outbox is json now.
CREATE OR REPLACE FUNCTION netra_admit(p_pool text, p_ahead float8, p_stale_s float8,
    p_readmit_s float8) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    -- Its scheduler looks among the facts for what nobody has sent.
    UPDATE facts f SET published = false
    FROM (SELECT facts FROM outbox WHERE ts < clock_timestamp() - interval '1 s'
        ORDER BY id LIMIT 100) o,
        json_to_recordset(o.facts) AS t(job_id uuid, epoch int, seq bigint)
    WHERE f.job_id = t.job_id AND f.epoch = t.epoch AND f.seq = t.seq AND f.published;
    RETURN netra_admit(p_pool, p_ahead, 0, p_stale_s, p_readmit_s);
END $$;

CREATE OR REPLACE FUNCTION netra_published(p_jobs uuid[], p_epochs int[], p_seqs bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_first timestamptz;
    v_last timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT min(f.ts), max(f.ts) + interval '1 min' INTO v_first, v_last
    FROM unnest(p_jobs, p_epochs, p_seqs) AS p(job_id, epoch, seq)
    JOIN facts f USING (job_id, epoch, seq);
    UPDATE facts f SET published = true
    FROM unnest(p_jobs, p_epochs, p_seqs) AS p(job_id, epoch, seq)
    WHERE f.job_id = p.job_id AND f.epoch = p.epoch AND f.seq = p.seq AND NOT f.published;
    DELETE FROM outbox o WHERE o.ts BETWEEN v_first AND v_last AND EXISTS (
        SELECT 1 FROM json_to_recordset(o.facts) AS t(job_id uuid, epoch int, seq bigint)
        JOIN unnest(p_jobs, p_epochs, p_seqs) AS p(job_id, epoch, seq)
            USING (job_id, epoch, seq));
END $$;
