-- As before, and a tenant that holds nothing in the pool is not kept out by what others were
-- admitted ahead.
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

    -- Whoever holds nothing gets one in any case, so that it is there when a slot is free; claims
    -- are made in a fair order. At most as many as there are slots.
    IF v_quota + v_slots > 0 AND v_slots > 0 THEN
        -- The virtual time: where the furthest behind of those that hold something is.
        SELECT coalesce(min(p.finished - h.n / t.weight),
            (SELECT max(started) FROM shares WHERE pool = p_pool), 0) INTO v_now
        FROM (SELECT tenant_id, count(*) AS n FROM (
                SELECT tenant_id FROM stages WHERE pool = p_pool AND state = 'admitted'
                UNION ALL SELECT tenant_id FROM stages WHERE pool = p_pool AND state = 'running') h
            GROUP BY tenant_id) h
        JOIN tenants t ON t.id = h.tenant_id
        JOIN shares p ON p.pool = p_pool AND p.tenant_id = h.tenant_id;
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
                    ORDER BY netra_turn(r.ready_at, r.priority) LIMIT greatest(v_quota, 1)) c
            ), ranked AS (
                SELECT id, share, start, step, first, row_number() OVER (
                    ORDER BY share, start, id) AS place
                FROM (SELECT id, (here + nth - 1) / weight AS share,
                        began + (nth - 1) / weight AS start, 1 / weight AS step,
                        here + nth = 1 AS first
                    FROM candidate WHERE max_running IS NULL OR held + nth <= max_running) c
            ), chosen AS (
                SELECT * FROM ranked
                WHERE place <= v_quota OR first AND place <= v_quota + v_slots
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

-- Claims an admitted stage of a pool: of the tenant that runs the least for its weight, among equals
-- of the one that is furthest behind in its turns, and of its stages the one whose turn it is. NULL: there is none.
CREATE OR REPLACE FUNCTION netra_claim_next(p_pool text, p_worker uuid, p_pid int, p_lease_s float8)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_stage uuid;
BEGIN
    SELECT s.id INTO v_stage FROM stages s
    JOIN jobs j ON j.id = s.job_id
    JOIN tenants t ON t.id = s.tenant_id
    LEFT JOIN (SELECT tenant_id, count(*) AS n FROM stages
        WHERE pool = p_pool AND state = 'running' GROUP BY tenant_id) r
        ON r.tenant_id = s.tenant_id
    JOIN (SELECT tenant_id, count(*) AS n FROM stages
        WHERE pool = p_pool AND state = 'admitted' GROUP BY tenant_id) a
        ON a.tenant_id = s.tenant_id
    LEFT JOIN shares p ON p.pool = p_pool AND p.tenant_id = s.tenant_id
    WHERE s.pool = p_pool AND s.state = 'admitted'
    ORDER BY coalesce(r.n, 0) / t.weight, coalesce(p.finished, 0) - a.n / t.weight, netra_turn(s.ready_at, s.priority),
        s.admitted_at
    LIMIT 1
    FOR NO KEY UPDATE OF j, s SKIP LOCKED;
    IF v_stage IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN netra_start(v_stage, p_worker, p_pid, p_lease_s);
END $$;
