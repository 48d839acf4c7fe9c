-- The tables as the first release has them. Later changes are migrations of their own.

CREATE TABLE tenants (
    id TEXT NOT NULL, 
    weight DOUBLE PRECISION DEFAULT 1 NOT NULL, 
    max_running INTEGER, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT tenants_pkey PRIMARY KEY (id)
);

CREATE TABLE workers (
    id UUID NOT NULL, 
    pool TEXT NOT NULL, 
    host TEXT NOT NULL, 
    pid INTEGER NOT NULL, 
    concurrency INTEGER NOT NULL, 
    device TEXT NOT NULL, 
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    heartbeat_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT workers_pkey PRIMARY KEY (id)
);

CREATE TABLE api_keys (
    key_hash TEXT NOT NULL, 
    tenant_id TEXT NOT NULL, 
    name TEXT NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    revoked_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT api_keys_pkey PRIMARY KEY (key_hash), 
    CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE TABLE batches (
    id UUID NOT NULL, 
    tenant_id TEXT NOT NULL, 
    name TEXT NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT batches_pkey PRIMARY KEY (id), 
    CONSTRAINT batches_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX batches_tenant_created_idx ON batches (tenant_id, id);

CREATE UNIQUE INDEX batches_tenant_name_key ON batches (tenant_id, name);

CREATE TABLE supply_rows (
    id UUID NOT NULL, 
    tenant_id TEXT NOT NULL, 
    kind TEXT NOT NULL, 
    name TEXT NOT NULL, 
    effective_from DATE NOT NULL, 
    content JSONB NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT supply_rows_pkey PRIMARY KEY (id), 
    CONSTRAINT supply_rows_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE UNIQUE INDEX supply_rows_key ON supply_rows (tenant_id, kind, name, effective_from);

CREATE TABLE workloads (
    id UUID NOT NULL, 
    tenant_id TEXT NOT NULL, 
    name TEXT NOT NULL, 
    anchored BOOLEAN, 
    events BIGINT DEFAULT 0 NOT NULL, 
    min_ts TIMESTAMP WITH TIME ZONE, 
    max_ts TIMESTAMP WITH TIME ZONE, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    deleted_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT workloads_pkey PRIMARY KEY (id), 
    CONSTRAINT workloads_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE UNIQUE INDEX workloads_tenant_name_key ON workloads (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TABLE ingests (
    id UUID NOT NULL, 
    tenant_id TEXT NOT NULL, 
    workload_id UUID NOT NULL, 
    state TEXT DEFAULT 'running' NOT NULL, 
    source_name TEXT NOT NULL, 
    format TEXT, 
    content_hash TEXT, 
    rows BIGINT, 
    events BIGINT, 
    duplicates BIGINT, 
    min_ts TIMESTAMP WITH TIME ZONE, 
    max_ts TIMESTAMP WITH TIME ZONE, 
    error JSONB, 
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    heartbeat_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    finished_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT ingests_pkey PRIMARY KEY (id), 
    CONSTRAINT ingests_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
    CONSTRAINT ingests_workload_id_fkey FOREIGN KEY(workload_id) REFERENCES workloads (id)
);

CREATE UNIQUE INDEX ingests_running_key ON ingests (workload_id) WHERE state = 'running';

CREATE INDEX ingests_workload_idx ON ingests (workload_id, state);

CREATE TABLE jobs (
    id UUID NOT NULL, 
    tenant_id TEXT NOT NULL, 
    workload_id UUID, 
    batch_id UUID, 
    goal JSONB NOT NULL, 
    pipeline TEXT, 
    ingests TEXT[] DEFAULT '{}' NOT NULL, 
    params JSONB NOT NULL, 
    priority INTEGER DEFAULT 5 NOT NULL, 
    labels JSONB NOT NULL, 
    deadline TIMESTAMP WITH TIME ZONE, 
    state TEXT DEFAULT 'queued' NOT NULL, 
    epoch INTEGER DEFAULT 1 NOT NULL, 
    seq BIGINT DEFAULT 0 NOT NULL, 
    stages_left INTEGER NOT NULL, 
    idempotency_key TEXT, 
    body_hash TEXT, 
    stop_reason TEXT, 
    stop_requested_at TIMESTAMP WITH TIME ZONE, 
    traceparent TEXT, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    started_at TIMESTAMP WITH TIME ZONE, 
    finished_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT jobs_pkey PRIMARY KEY (id), 
    CONSTRAINT jobs_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
    CONSTRAINT jobs_workload_id_fkey FOREIGN KEY(workload_id) REFERENCES workloads (id), 
    CONSTRAINT jobs_batch_id_fkey FOREIGN KEY(batch_id) REFERENCES batches (id)
);

CREATE INDEX jobs_batch_idx ON jobs (batch_id, id) WHERE batch_id IS NOT NULL;

CREATE INDEX jobs_deadline_idx ON jobs (deadline) WHERE deadline IS NOT NULL AND state IN ('queued', 'running');

CREATE INDEX jobs_tenant_created_idx ON jobs (tenant_id, id);

CREATE UNIQUE INDEX jobs_tenant_idempotency_key ON jobs (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE INDEX jobs_tenant_state_idx ON jobs (tenant_id, state, id);

CREATE TABLE facts (
    job_id UUID NOT NULL, 
    epoch INTEGER NOT NULL, 
    seq BIGINT NOT NULL, 
    tenant_id TEXT NOT NULL, 
    batch_id UUID, 
    ts TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    kind TEXT NOT NULL, 
    stage TEXT, 
    payload JSONB NOT NULL, 
    published BOOLEAN DEFAULT false NOT NULL, 
    CONSTRAINT facts_pkey PRIMARY KEY (job_id, epoch, seq), 
    CONSTRAINT facts_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id), 
    CONSTRAINT facts_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX facts_unpublished_idx ON facts (ts) WHERE NOT published;

CREATE TABLE stages (
    id UUID NOT NULL, 
    tenant_id TEXT NOT NULL, 
    job_id UUID NOT NULL, 
    name TEXT NOT NULL, 
    position INTEGER NOT NULL, 
    agent TEXT NOT NULL, 
    pool TEXT NOT NULL, 
    params JSONB NOT NULL, 
    after TEXT[] NOT NULL, 
    pending INTEGER NOT NULL, 
    priority INTEGER NOT NULL, 
    limit_s DOUBLE PRECISION NOT NULL, 
    state TEXT NOT NULL, 
    attempt INTEGER DEFAULT 1 NOT NULL, 
    admission INTEGER DEFAULT 0 NOT NULL, 
    fence BIGINT DEFAULT 0 NOT NULL, 
    lost INTEGER DEFAULT 0 NOT NULL, 
    failures INTEGER DEFAULT 0 NOT NULL, 
    run_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    ready_at TIMESTAMP WITH TIME ZONE, 
    admitted_at TIMESTAMP WITH TIME ZONE, 
    lease_until TIMESTAMP WITH TIME ZONE, 
    worker_id UUID, 
    worker_pid INTEGER, 
    started_at TIMESTAMP WITH TIME ZONE, 
    finished_at TIMESTAMP WITH TIME ZONE, 
    error JSONB, 
    checkpoint JSONB, 
    CONSTRAINT stages_pkey PRIMARY KEY (id), 
    CONSTRAINT stages_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
    CONSTRAINT stages_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id)
)
 WITH (fillfactor = 70);

CREATE INDEX stages_admitted_idx ON stages (pool, admitted_at) WHERE state = 'admitted';

CREATE UNIQUE INDEX stages_job_name_key ON stages (job_id, name);

CREATE INDEX stages_ready_idx ON stages (pool, tenant_id, priority DESC, ready_at) WHERE state = 'ready';

CREATE INDEX stages_running_idx ON stages (lease_until) WHERE state = 'running';

CREATE TABLE dead_letters (
    id UUID NOT NULL, 
    tenant_id TEXT NOT NULL, 
    job_id UUID NOT NULL, 
    stage_id UUID NOT NULL, 
    agent TEXT NOT NULL, 
    params JSONB NOT NULL, 
    error JSONB, 
    attempts INTEGER NOT NULL, 
    lost INTEGER NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    replayed_at TIMESTAMP WITH TIME ZONE, 
    CONSTRAINT dead_letters_pkey PRIMARY KEY (id), 
    CONSTRAINT dead_letters_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
    CONSTRAINT dead_letters_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id), 
    CONSTRAINT dead_letters_stage_id_fkey FOREIGN KEY(stage_id) REFERENCES stages (id)
);

CREATE INDEX dead_letters_tenant_idx ON dead_letters (tenant_id, id);

CREATE TABLE stage_results (
    stage_id UUID NOT NULL, 
    tenant_id TEXT NOT NULL, 
    job_id UUID NOT NULL, 
    agent TEXT NOT NULL, 
    attempt INTEGER NOT NULL, 
    content JSONB NOT NULL, 
    tables JSONB NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT stage_results_pkey PRIMARY KEY (stage_id), 
    CONSTRAINT stage_results_stage_id_fkey FOREIGN KEY(stage_id) REFERENCES stages (id), 
    CONSTRAINT stage_results_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX stage_results_job_idx ON stage_results (job_id);

CREATE INDEX stage_results_reports_idx ON stage_results (tenant_id, job_id) WHERE agent = 'report';
