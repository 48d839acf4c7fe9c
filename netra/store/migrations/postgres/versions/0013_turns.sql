-- Picks and locks an admitted stage of a pool. First of a tenant that runs less than the whole slots that
-- are its by weight; then, for the part of a slot that is left over, of the one that is furthest behind
-- in its turns, as long as that takes it no further above its share than to the next whole slot; then of
-- the one that runs the least for its weight. Of a tenant's stages it is the one whose turn it is. NULL:
-- there is none. Who runs the least alone says nothing where there are few slots: with two of them, it is
-- always the one whose stage has just ended.
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
        JOIN (
            SELECT h.tenant_id, h.waiting, h.running / t.weight AS load,
                -- Digits that the sums of fractions may differ in are dropped.
                round((coalesce(p.finished, 0) - h.waiting / t.weight) * 1e6) AS turn,
                -- All slots are taken but the one that is being filled.
                round((h.running - (sum(h.running) OVER () + 1) * t.weight / sum(t.weight) OVER ())
                    * 1e6) / 1e6 AS above
            FROM (SELECT tenant_id, count(*) FILTER (WHERE waits) AS waiting,
                    count(*) FILTER (WHERE NOT waits) AS running
                FROM (SELECT tenant_id, true AS waits FROM stages
                        WHERE pool = p_pool AND state = 'admitted'
                    UNION ALL SELECT tenant_id, false FROM stages
                        WHERE pool = p_pool AND state = 'running') s
                GROUP BY tenant_id) h
            JOIN tenants t ON t.id = h.tenant_id
            LEFT JOIN shares p ON p.pool = p_pool AND p.tenant_id = h.tenant_id) h
            ON h.tenant_id = s.tenant_id
        WHERE s.pool = p_pool AND s.state = 'admitted'
        ORDER BY CASE WHEN h.above <= -1 THEN 0 WHEN h.above < 0 THEN 1 ELSE 2 END,
            CASE WHEN h.above <= -1 OR h.above >= 0 THEN h.load ELSE h.turn END,
            h.turn, h.load, h.waiting, netra_turn(s.ready_at, s.priority), s.admitted_at
        LIMIT 1
        FOR NO KEY UPDATE OF j, s SKIP LOCKED;
    END IF;
    RETURN v_stage;
END $$;

-- Brings tenants back that are further ahead of the others in their turns than slots explain: what they
-- were admitted was cancelled or withdrawn, or others had slots for longer than a stage of theirs takes.
CREATE FUNCTION netra_level(p_pool text) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM stages WHERE pool = p_pool AND state = 'admitted' AND tenant_id > (
            SELECT min(tenant_id) FROM stages WHERE pool = p_pool AND state = 'admitted')) THEN
        RETURN;
    END IF;
    -- What an admission charges must not be written over, and two that level may not wait for each other.
    IF NOT pg_try_advisory_xact_lock(hashtext('netra_admit')) THEN
        RETURN;
    END IF;
    UPDATE shares p SET finished = b.bound
    FROM (
        SELECT h.tenant_id, min(p.finished - h.n / t.weight) OVER ()
            + (h.n + 1 + sum(h.running) OVER ()) / t.weight AS bound
        FROM (SELECT tenant_id, count(*) AS n, count(*) FILTER (WHERE runs) AS running
            FROM (SELECT tenant_id, false AS runs FROM stages
                    WHERE pool = p_pool AND state = 'admitted'
                UNION ALL SELECT tenant_id, true FROM stages
                    WHERE pool = p_pool AND state = 'running') s
            GROUP BY tenant_id) h
        JOIN tenants t ON t.id = h.tenant_id
        JOIN shares p ON p.pool = p_pool AND p.tenant_id = h.tenant_id) b
    WHERE p.pool = p_pool AND p.tenant_id = b.tenant_id AND p.finished > b.bound;
END $$;

-- To several pools, one after the other: a scheduler that is woken knows no pool. In one transaction: one
-- flush, and what fails for one pool is admitted to none.
CREATE OR REPLACE FUNCTION netra_admit_pools(p_pools text[], p_ahead float8, p_least int, p_stale_s float8,
    p_readmit_s float8) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    PERFORM netra_level(pool) FROM unnest(p_pools) AS pool;
    RETURN (SELECT json_object_agg(pool, netra_admit_ready(pool, p_ahead, p_least, p_stale_s,
        p_readmit_s)) FROM unnest(p_pools) AS pool);
END $$;

-- How many stages a tenant may have admitted or running (NULL: any number). What was admitted beyond a
-- lowered limit, and has not begun, is ready again. Whether there is such a tenant.
CREATE FUNCTION netra_limit(p_tenant text, p_limit int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    -- Nobody admits meanwhile: who has read the old limit would go by it.
    PERFORM pg_advisory_xact_lock(hashtext('netra_admit'));
    UPDATE tenants SET max_running = p_limit WHERE id = p_tenant;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- What is locked is being claimed just now: it is above the limit like what runs, and others go back.
    WITH withdrawn AS (
        UPDATE stages SET state = 'ready' WHERE id = ANY(ARRAY(
            SELECT id FROM stages WHERE state = 'admitted' AND tenant_id = p_tenant
            ORDER BY netra_turn(ready_at, priority) DESC
            LIMIT greatest(0, -p_limit + (SELECT count(*) FROM (
                SELECT tenant_id FROM stages WHERE state = 'admitted'
                UNION ALL SELECT tenant_id FROM stages WHERE state = 'running') held
                WHERE tenant_id = p_tenant))
            FOR NO KEY UPDATE SKIP LOCKED))
            AND p_limit IS NOT NULL
        RETURNING pool
    )
    UPDATE shares p SET finished = p.finished - w.n / t.weight
    FROM (SELECT pool, count(*) AS n FROM withdrawn GROUP BY pool) w, tenants t
    WHERE p.pool = w.pool AND p.tenant_id = p_tenant AND t.id = p_tenant;
    PERFORM pg_notify('netra_wake', '');
    RETURN true;
END $$;

-- Each change of a job's state writes all indexes of the row anew. The jobs of a batch are read state by state,
-- from the index that has them so. Whoever reads jobs for long is waited for, but not without end: whoever
-- comes meanwhile waits as well.
SET LOCAL lock_timeout = '30s';
DROP INDEX jobs_batch_idx;
