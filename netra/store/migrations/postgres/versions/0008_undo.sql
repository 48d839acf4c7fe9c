-- What was told and not sent goes back to where it was looked for before.
UPDATE facts f SET published = false
FROM outbox o, jsonb_to_recordset(o.facts) AS t(job_id uuid, epoch int, seq bigint)
WHERE f.job_id = t.job_id AND f.epoch = t.epoch AND f.seq = t.seq;

DROP FUNCTION netra_admit(text, float8, int, float8, float8);
DROP FUNCTION netra_finish, netra_done, netra_fan_out, netra_claim_some, netra_pick, netra_begin,
    netra_sent, netra_said, netra_hand_back;
DROP TABLE outbox;
DROP INDEX stages_short_idx;
ALTER TABLE stages DROP COLUMN short;
ALTER TABLE jobs RESET (fillfactor);
DROP INDEX stages_admitted_idx;
CREATE INDEX stages_admitted_idx ON stages (pool, admitted_at) WHERE state = 'admitted';

ALTER TABLE facts ADD CONSTRAINT facts_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs (id),
    ADD CONSTRAINT facts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id);
ALTER TABLE stages ADD CONSTRAINT stages_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs (id),
    ADD CONSTRAINT stages_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id);
ALTER TABLE stage_results
    ADD CONSTRAINT stage_results_stage_id_fkey FOREIGN KEY (stage_id) REFERENCES stages (id),
    ADD CONSTRAINT stage_results_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id);
