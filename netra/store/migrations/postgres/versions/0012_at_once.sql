-- A job that comes while slots are free and nothing else waits is admitted by the transaction that
-- writes it: no scheduler has to be told, to look and to commit before a worker is woken. What there is
-- to choose from is the scheduler's to choose. ADR 0029.
--
-- What is notified to netra_wake: nothing, look at once; 'freed', a slot is free and nothing was
-- ready, look soon; an answer of netra_admit_pools, wake these and send their facts.

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
-- One at a time: two that count the same free slots would admit twice as much as there is room for.
-- The lock is held until the transaction has ended: this statement's, or that of a submission.
--
-- "messages" wake workers: one for each slot that is free and has something to run. What was
-- admitted beyond that is found by whoever completes a stage. "waiting" is how many slots are free
-- although stages had been admitted before: their wake-ups are under way, or lost.
CREATE OR REPLACE FUNCTION netra_admit_ready(p_pool text, p_ahead float8, p_least int, p_stale_s float8,
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
    v_only uuid;
    v_alone bool;
    v_held int;
    v_here int;
    v_payload jsonb;
    v_stage record;
    v_job record;
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
    SELECT (SELECT coalesce(sum(concurrency), 0) FROM workers WHERE pool = p_pool
            AND heartbeat_at > clock_timestamp() - make_interval(secs => p_stale_s)),
        (SELECT count(*) FROM stages WHERE pool = p_pool AND state = 'running'),
        count(*), coalesce(sum(CASE WHEN short THEN 0.125 ELSE 1 END), 0)
    INTO v_slots, v_running, v_admitted, v_room
    FROM stages WHERE pool = p_pool AND state = 'admitted';
    v_room := greatest(ceil(v_slots * (1 + p_ahead)), v_slots + p_least) - v_running - v_room;
    v_free := greatest(v_slots - v_running, 0);
    SELECT (array_agg(id))[1], count(*) = 1, coalesce(bool_or(run_at <= clock_timestamp()), false)
    INTO v_only, v_alone, v_ready FROM (
        SELECT id, run_at FROM stages WHERE pool = p_pool AND state = 'ready' LIMIT 2) c;
    IF NOT v_alone AND NOT v_ready THEN
        v_ready := EXISTS (SELECT 1 FROM stages WHERE pool = p_pool AND state = 'ready'
            AND run_at <= clock_timestamp());
    END IF;

    -- Whoever holds nothing gets one in any case, so that it is there when a slot is free; claims
    -- are made in a fair order. At most as many as there are slots.
    IF v_ready AND v_slots > 0 AND v_room + v_slots > 0 THEN
        -- The virtual time: where the furthest behind of those that hold something is.
        IF v_running + v_admitted > 0 THEN
            SELECT min(p.finished - h.n / t.weight) INTO v_now
            FROM (SELECT tenant_id, count(*) AS n FROM (
                    SELECT tenant_id FROM stages WHERE pool = p_pool AND state = 'admitted'
                    UNION ALL SELECT tenant_id FROM stages WHERE pool = p_pool AND state = 'running') h
                GROUP BY tenant_id) h
            JOIN tenants t ON t.id = h.tenant_id
            JOIN shares p ON p.pool = p_pool AND p.tenant_id = h.tenant_id;
        END IF;
        v_now := coalesce(v_now, (SELECT max(started) FROM shares WHERE pool = p_pool), 0);

        IF v_alone THEN
            -- There is nothing to choose from, and the statement below takes longer to begin than all
            -- that happens here.
            SELECT r.tenant_id, t.weight, t.max_running, CASE WHEN r.short THEN 0.125 ELSE 1 END AS cost,
                coalesce((SELECT p.finished FROM shares p WHERE p.pool = p_pool
                    AND p.tenant_id = r.tenant_id), 0) AS finished
            INTO v_stage FROM stages r
            JOIN jobs j ON j.id = ANY(ARRAY[r.job_id])
            JOIN tenants t ON t.id = ANY(ARRAY[r.tenant_id])
            WHERE r.id = v_only AND coalesce(r.state, '') = 'ready'
            FOR NO KEY UPDATE OF j, r SKIP LOCKED;
            IF FOUND AND (v_stage.max_running IS NOT NULL OR v_stage.cost > v_room) THEN
                SELECT count(*), count(*) FILTER (WHERE pool = p_pool) INTO v_held, v_here
                FROM (SELECT tenant_id, pool FROM stages WHERE state = 'admitted'
                    UNION ALL SELECT tenant_id, pool FROM stages WHERE state = 'running') h
                WHERE tenant_id = v_stage.tenant_id;
            END IF;
            IF FOUND AND (v_stage.cost <= v_room OR v_here = 0 AND v_stage.cost <= v_room + v_slots)
                AND (v_stage.max_running IS NULL OR v_held < v_stage.max_running) THEN
                v_chosen := ARRAY[v_only];
                v_starts := ARRAY[greatest(v_stage.finished, v_now)];
                v_steps := ARRAY[1 / v_stage.weight];
            END IF;
        ELSE
            v_dense := CASE WHEN EXISTS (SELECT 1 FROM stages WHERE pool = p_pool AND state = 'ready'
                AND short) THEN 8 ELSE 1 END;
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
    END IF;

    IF cardinality(v_chosen) = 1 THEN
        v_outbox := nextval('outbox_id_seq');
        UPDATE stages SET state = 'admitted', admission = admission + 1,
            admitted_at = clock_timestamp()
        WHERE id = v_chosen[1]
        RETURNING id, job_id, tenant_id, name, admission, attempt, admitted_at INTO v_stage;
        INSERT INTO shares (pool, tenant_id, started, finished)
        VALUES (p_pool, v_stage.tenant_id, v_starts[1], v_starts[1] + v_steps[1])
        ON CONFLICT (pool, tenant_id) DO UPDATE
            SET started = excluded.started, finished = excluded.finished;
        UPDATE jobs SET seq = seq + 1 WHERE id = v_stage.job_id
        RETURNING id, epoch, seq, tenant_id, batch_id, traceparent INTO v_job;
        v_payload := jsonb_build_object('attempt', v_stage.attempt, 'pool', p_pool);
        INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload,
            published)
        VALUES (v_job.id, v_job.epoch, v_job.seq, v_job.tenant_id, v_job.batch_id, v_stage.admitted_at, 'stage.admitted',
            v_stage.name, v_payload, true);
        v_facts := '[' || netra_told(v_job.id, v_job.epoch, v_job.seq, v_job.tenant_id, v_job.batch_id, v_job.traceparent,
            v_stage.admitted_at, 'stage.admitted', v_stage.name, v_payload, v_outbox) || ']';
        INSERT INTO outbox (id, facts) VALUES (v_outbox, v_facts::json);
        IF v_free > 0 THEN
            v_messages := jsonb_build_array(jsonb_build_object(
                'stage_id', v_stage.id, 'admission', v_stage.admission));
        END IF;
    ELSIF v_chosen IS NOT NULL THEN
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


-- Admits the stages of jobs that this transaction wrote, and says so to the schedulers; false: some are
-- left for them. Only where each has a free slot and the pool has nothing else to choose from.
CREATE FUNCTION netra_admit_new(p_jobs uuid[], p_stale_s float8) RETURNS bool LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_slots int;
    v_held int;
    v_ready int;
    v_answer json;
    v_answers jsonb := '{}';
    v_all bool := true;
    v_said text;
    n record;
BEGIN
    FOR n IN
        SELECT pool, count(*) AS stages FROM stages
        WHERE job_id = ANY(p_jobs) AND coalesce(state, '') = 'ready' GROUP BY pool
    LOOP
        SELECT slots, (SELECT count(*) FROM (SELECT 1 FROM stages
                WHERE pool = n.pool AND state = 'admitted' LIMIT slots) a)
            + (SELECT count(*) FROM (SELECT 1 FROM stages
                WHERE pool = n.pool AND state = 'running' LIMIT slots) r),
            (SELECT count(*) FROM (SELECT 1 FROM stages
                WHERE pool = n.pool AND state = 'ready' LIMIT n.stages + 1) w)
        INTO v_slots, v_held, v_ready
        FROM (SELECT coalesce(sum(concurrency), 0) AS slots FROM workers WHERE pool = n.pool
            AND heartbeat_at > clock_timestamp() - make_interval(secs => p_stale_s)) h;
        IF n.stages > 6 OR v_ready > n.stages OR v_held + n.stages > v_slots THEN
            v_all := false;
            CONTINUE;
        END IF;
        v_answer := netra_admit_ready(n.pool, 0, 0, p_stale_s, 1e9);
        IF json_array_length(v_answer->'messages') > 0 THEN
            v_answers := v_answers || jsonb_build_object(n.pool, v_answer);
        END IF;
        v_all := v_all AND json_array_length(v_answer->'messages') = n.stages;
    END LOOP;
    -- A notification has room for 8,000 bytes. What was not said is woken by the next look.
    v_said := v_answers::text;
    IF octet_length(v_said) > 7900 THEN
        RETURN false;
    ELSIF v_answers <> '{}' THEN
        PERFORM pg_notify('netra_wake', v_said);
    END IF;
    RETURN v_all;
END $$;

-- Writes jobs with their stages: {"jobs": [{"id", "created", "same_body"}]}. Admits them at once if they
-- are few and there is room; `p_stale_s` as for netra_admit_ready, NULL: leave that to the scheduler.
CREATE FUNCTION netra_submit(p_jobs jsonb, p_stale_s float8) RETURNS jsonb LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    v_created uuid[];
    v_jobs jsonb;
BEGIN
    WITH given AS MATERIALIZED (
        SELECT r.*, g.ord FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS g(item, ord),
            jsonb_to_record(g.item) AS r(
                id uuid, tenant_id text, workload_id uuid, batch_id uuid, goal jsonb, pipeline text,
                ingests text[], params jsonb, priority int, labels jsonb, deadline timestamptz,
                idempotency_key text, body_hash text, traceparent text, stage_count int,
                stages jsonb)
    ), inserted AS (
        INSERT INTO jobs (id, tenant_id, workload_id, batch_id, goal, pipeline, ingests, params,
            priority, labels, deadline, state, epoch, seq, stages_left, idempotency_key, body_hash,
            traceparent, created_at)
        SELECT id, tenant_id, workload_id, batch_id, goal, pipeline, coalesce(ingests, '{}'),
            params, priority, labels, deadline, 'queued', 1, 1, stage_count, idempotency_key,
            body_hash, traceparent, clock_timestamp()
        FROM given ORDER BY ord
        ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING id
    ), created AS (
        SELECT given.* FROM inserted JOIN given USING (id)
    ), first_facts AS (
        INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload,
            published)
        SELECT id, 1, 1, tenant_id, batch_id, clock_timestamp(), 'job.queued', NULL, '{}', true
        FROM created
    ), their_stages AS (
        INSERT INTO stages (id, tenant_id, job_id, name, position, agent, pool, params, after,
            pending, priority, limit_s, short, state, run_at, ready_at)
        SELECT s.id, j.tenant_id, j.id, s.name, s.position, s.agent, s.pool, s.params,
            coalesce(s.after, '{}'), coalesce(cardinality(s.after), 0), j.priority, s.limit_s,
            coalesce(s.short, false),
            CASE WHEN coalesce(cardinality(s.after), 0) = 0 THEN 'ready' ELSE 'blocked' END,
            clock_timestamp(),
            CASE WHEN coalesce(cardinality(s.after), 0) = 0 THEN clock_timestamp() END
        FROM created j, jsonb_to_recordset(j.stages) AS s(
            id uuid, name text, position int, agent text, pool text, params jsonb, after text[],
            limit_s float8, short bool)
    )
    SELECT coalesce(array_agg(id), '{}') INTO v_created FROM created;

    IF cardinality(v_created) = jsonb_array_length(p_jobs) THEN
        SELECT jsonb_agg(jsonb_build_object('id', g.item->'id', 'created', true, 'same_body', true)
            ORDER BY g.ord)
        INTO v_jobs FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS g(item, ord);
    ELSE
        SELECT jsonb_agg(jsonb_build_object(
            'id', coalesce(n.id, j.id), 'created', n.id IS NOT NULL,
            'same_body', n.id IS NOT NULL OR j.body_hash IS NOT DISTINCT FROM g.item->>'body_hash')
            ORDER BY g.ord)
        INTO v_jobs
        FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS g(item, ord)
        LEFT JOIN unnest(v_created) AS n(id) ON n.id = (g.item->>'id')::uuid
        LEFT JOIN jobs j ON n.id IS NULL AND j.tenant_id = g.item->>'tenant_id'
            AND j.idempotency_key = g.item->>'idempotency_key';
    END IF;
    IF cardinality(v_created) > 0 AND (p_stale_s IS NULL
            OR cardinality(v_created) > 8 OR NOT netra_admit_new(v_created, p_stale_s)) THEN
        PERFORM pg_notify('netra_wake', '');
    END IF;
    RETURN jsonb_build_object('jobs', v_jobs);
END $$;

-- As processes of the release before call it.
CREATE OR REPLACE FUNCTION netra_submit(p_jobs jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN netra_submit(p_jobs, NULL) || '{"facts": []}';
END $$;

-- Completes a stage; `p_seconds` is how long it ran (NULL: since it was claimed). Answers with the facts.
CREATE OR REPLACE FUNCTION netra_ended(p_stage uuid, p_fence bigint, p_content jsonb, p_tables jsonb,
    p_seconds float8, p_fan_out jsonb, p_outbox bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    s record;
    j record;
    v_whole stages;
    v_now timestamptz := clock_timestamp();
    v_over bool;
    v_state text;
    v_failed text[];
    v_payload jsonb;
    v_end jsonb;
BEGIN
    -- Mostly the job has no other stage, or none that could still end.
    UPDATE jobs k SET stages_left = 0, seq = k.seq + 2, state = 'succeeded', finished_at = v_now
    WHERE p_fan_out IS NULL AND k.id = (SELECT job_id FROM stages WHERE id = p_stage)
        AND k.stages_left = 1 AND NOT EXISTS (
            SELECT 1 FROM stages WHERE job_id = k.id AND id <> p_stage AND state <> 'succeeded')
    RETURNING k.id, epoch, old.seq, tenant_id, batch_id, traceparent, old.stages_left, stop_reason
    INTO j;
    v_over := FOUND;
    IF NOT v_over THEN
        SELECT k.id, epoch, seq, tenant_id, batch_id, traceparent, stages_left, stop_reason
        INTO j FROM jobs k WHERE k.id = (SELECT job_id FROM stages WHERE id = p_stage)
        FOR NO KEY UPDATE;
    END IF;
    UPDATE stages SET state = 'succeeded', finished_at = v_now, lease_until = NULL, error = NULL,
        checkpoint = NULL
    WHERE id = p_stage AND fence = p_fence AND state = 'running'
    RETURNING id, tenant_id, job_id, name, agent, attempt, started_at INTO s;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'stage % is no longer held with token %', p_stage, p_fence
            USING ERRCODE = 'NT001';
    END IF;
    IF s.attempt = 1 AND j.epoch = 1 THEN
        INSERT INTO stage_results (stage_id, tenant_id, job_id, agent, attempt, content, tables)
        VALUES (s.id, s.tenant_id, s.job_id, s.agent, s.attempt, p_content, p_tables);
    ELSE
        INSERT INTO stage_results (stage_id, tenant_id, job_id, agent, attempt, content, tables)
        VALUES (s.id, s.tenant_id, s.job_id, s.agent, s.attempt, p_content, p_tables)
        ON CONFLICT (stage_id) DO UPDATE SET attempt = excluded.attempt, content = excluded.content,
            tables = excluded.tables, created_at = now();
    END IF;
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

    IF v_over THEN
        v_state := 'succeeded';
    ELSE
        -- What the statement above saw may have been older than the lock.
        SELECT array_agg(name ORDER BY position) FILTER (WHERE state = 'failed'),
            CASE WHEN bool_and(state = 'succeeded') THEN 'succeeded'
                WHEN j.stop_reason = 'cancelled' AND NOT bool_or(state = 'failed') THEN 'cancelled'
                ELSE 'failed' END
        INTO v_failed, v_state FROM stages WHERE job_id = s.job_id;
        UPDATE jobs SET stages_left = 0, seq = j.seq + 2, state = v_state, finished_at = v_now
        WHERE id = j.id;
    END IF;
    v_end := jsonb_strip_nulls(jsonb_build_object(
        'failed_stages', to_jsonb(v_failed), 'reason', j.stop_reason));
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

-- Completes stages that a worker's process holds, all or none, and claims the next of its pool
-- (none if `p_most` is 0): whose turn it is, and if that is short up to `p_most` short ones; one that
-- was tried before comes alone, so that it can harm no other. `p_done` as in netra_moved; `p_fan_out`
-- belongs to the only one. `p_sent` of the outbox were sent since the last call.
CREATE OR REPLACE FUNCTION netra_report(p_done jsonb, p_fan_out jsonb, p_pool text, p_worker uuid,
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
        -- All that waits is mostly one tenant's: then it is the first in the index.
        SELECT s.id, s.tenant_id, s.short AND s.attempt = 1 INTO v_stage, v_tenant, v_easy
        FROM stages s JOIN jobs j ON j.id = ANY(ARRAY[s.job_id])
        WHERE s.pool = p_pool AND s.state = 'admitted'
            AND (SELECT min(tenant_id) FROM stages WHERE pool = p_pool AND state = 'admitted')
                = (SELECT max(tenant_id) FROM stages WHERE pool = p_pool AND state = 'admitted')
        ORDER BY s.tenant_id, netra_turn(s.ready_at, s.priority) LIMIT 1
        FOR NO KEY UPDATE OF j, s SKIP LOCKED;
        IF FOUND THEN
            v_begin := ARRAY[v_stage];
            IF v_easy AND p_most > 1 THEN
                v_few := 8 * p_most;
                SELECT v_begin || array_agg(id) INTO v_begin FROM (
                    SELECT s.id FROM stages s JOIN jobs j ON j.id = ANY(ARRAY[s.job_id])
                    WHERE s.pool = p_pool AND s.state = 'admitted' AND s.tenant_id = v_tenant
                        AND s.short AND s.attempt = 1 AND s.id <> v_stage
                    ORDER BY netra_turn(s.ready_at, s.priority) LIMIT p_most - 1
                    FOR NO KEY UPDATE OF j, s SKIP LOCKED) others;
            END IF;
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
    END IF;
    -- The next ones are admitted while these run: said now and then, when few are left. And when nothing
    -- is: who makes a stage ready meanwhile, and sees this slot taken, does not admit it. A tenant's limit
    -- is for all pools: so is the question.
    IF v_begin = '{}' AND p_done <> '[]' THEN
        PERFORM pg_notify('netra_wake', CASE WHEN EXISTS (
            SELECT 1 FROM stages WHERE state = 'ready') THEN '' ELSE 'freed' END);
    ELSIF p_most > 0 AND v_outbox % 4 = 0 AND (SELECT count(*) < v_few FROM (
            SELECT 1 FROM stages WHERE pool = p_pool AND state = 'admitted' LIMIT v_few) c)
        AND EXISTS (SELECT 1 FROM stages WHERE pool = p_pool AND state = 'ready') THEN
        PERFORM pg_notify('netra_wake', '');
    END IF;
    -- NULLs in between are left out.
    v_said := '[' || array_to_string(v_facts, ',') || ']';
    IF v_said <> '[]' THEN
        INSERT INTO outbox (id, facts) VALUES (v_outbox, v_said::json);
    END IF;
    RETURN '{"facts":' || v_said || ',"claims":[' || array_to_string(v_claims, ',') || ']}';
END $$;
