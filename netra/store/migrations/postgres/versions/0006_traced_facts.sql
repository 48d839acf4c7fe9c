-- As before, and the answer says which trace the job belongs to. The row of the fact needs no copy:
-- its job has it.
CREATE OR REPLACE FUNCTION netra_fact(p_job uuid, p_kind text, p_stage text, p_payload jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    j record;
    v_ts timestamptz := clock_timestamp();
BEGIN
    UPDATE jobs SET seq = seq + 1 WHERE id = p_job
    RETURNING epoch, seq, tenant_id, batch_id, traceparent INTO j;
    INSERT INTO facts (job_id, epoch, seq, tenant_id, batch_id, ts, kind, stage, payload)
    VALUES (p_job, j.epoch, j.seq, j.tenant_id, j.batch_id, v_ts, p_kind, p_stage, p_payload);
    RETURN jsonb_build_object(
        'type', 'fact', 'job_id', p_job, 'epoch', j.epoch, 'seq', j.seq, 'ts', v_ts,
        'kind', p_kind, 'stage', p_stage, 'payload', p_payload,
        'tenant_id', j.tenant_id, 'batch_id', j.batch_id, 'traceparent', j.traceparent);
END $$;
