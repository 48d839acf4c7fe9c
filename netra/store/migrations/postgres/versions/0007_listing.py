"""Lists that stay quick beside a million jobs: indexes, and kept counts of ended batches."""

from netra.store.migrations.scripts import run, run_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_file("0007_listing.sql")


def downgrade() -> None:
    run("""
        DROP TRIGGER jobs_begun_anew ON jobs;
        DROP TRIGGER batches_added_to ON batches;
        DROP TRIGGER batches_made ON batches;
        DROP FUNCTION netra_count_batch, netra_recount_batch, netra_recount_batch_of_job;
        DROP TABLE batch_counts;
        DROP INDEX jobs_labels_idx, jobs_workload_idx, jobs_pipeline_idx;
    """)
