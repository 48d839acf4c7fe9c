-- Indexes of the filters that had none. Partial: most jobs carry no label and have no pipeline, and
-- pay nothing for them.
CREATE INDEX jobs_labels_idx ON jobs USING gin (labels jsonb_path_ops)
    WITH (fastupdate = off) WHERE labels <> '{}';
CREATE INDEX jobs_workload_idx ON jobs (workload_id, id) WHERE workload_id IS NOT NULL;
CREATE INDEX jobs_pipeline_idx ON jobs (tenant_id, pipeline, id) WHERE pipeline IS NOT NULL;

-- How many jobs of a batch are in which state, once all of them have ended: counting a hundred
-- thousand takes a while, and a list shows fifty batches. Whoever has counted keeps the counts if
-- `version` is still what it was. A table of its own: a batch's row is locked while its jobs are
-- being stopped, and a job's while it is begun anew.
CREATE TABLE batch_counts (
    batch_id UUID NOT NULL,
    tenant_id TEXT NOT NULL,
    -- Grows whenever a job may have been added, or was begun anew.
    version INTEGER DEFAULT 0 NOT NULL,
    states JSONB,
    CONSTRAINT batch_counts_pkey PRIMARY KEY (batch_id),
    CONSTRAINT batch_counts_batch_id_fkey FOREIGN KEY(batch_id) REFERENCES batches (id)
);
INSERT INTO batch_counts (batch_id, tenant_id) SELECT id, tenant_id FROM batches;

-- Triggers rather than the code that submits and retries: the release before does both as well.
CREATE FUNCTION netra_count_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO batch_counts (batch_id, tenant_id) VALUES (NEW.id, NEW.tenant_id);
    RETURN NULL;
END $$;
CREATE TRIGGER batches_made AFTER INSERT ON batches
FOR EACH ROW EXECUTE FUNCTION netra_count_batch();

CREATE FUNCTION netra_recount_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE batch_counts SET version = version + 1, states = NULL WHERE batch_id = NEW.id;
    RETURN NULL;
END $$;
-- Whoever adds jobs finds the batch by its name, and sets that.
CREATE TRIGGER batches_added_to AFTER UPDATE OF name ON batches
FOR EACH ROW EXECUTE FUNCTION netra_recount_batch();

CREATE FUNCTION netra_recount_batch_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE batch_counts SET version = version + 1, states = NULL WHERE batch_id = NEW.batch_id;
    RETURN NULL;
END $$;
CREATE TRIGGER jobs_begun_anew AFTER UPDATE OF epoch ON jobs
FOR EACH ROW WHEN (NEW.batch_id IS NOT NULL) EXECUTE FUNCTION netra_recount_batch_of_job();
