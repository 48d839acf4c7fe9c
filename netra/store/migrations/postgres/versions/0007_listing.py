"""Lists that stay quick beside a million jobs: indexes, and kept counts of ended batches."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

HERE = Path(__file__).parent


def upgrade() -> None:
    _run((HERE / "0007_listing.sql").read_text())


def downgrade() -> None:
    _run("""
        DROP TRIGGER jobs_begun_anew ON jobs;
        DROP TRIGGER batches_added_to ON batches;
        DROP TRIGGER batches_made ON batches;
        DROP FUNCTION netra_count_batch, netra_recount_batch, netra_recount_batch_of_job;
        DROP TABLE batch_counts;
        DROP INDEX jobs_labels_idx, jobs_workload_idx, jobs_pipeline_idx;
    """)


def _run(script: str) -> None:
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
