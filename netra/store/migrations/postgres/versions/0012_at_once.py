"""A job is admitted by the transaction that writes it, if nothing else waits."""

from netra.store.migrations.scripts import restore, run, run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_file("0012_at_once.sql")


def downgrade() -> None:
    restore("netra_submit", "0008_outbox.sql")
    restore("netra_report", "0011_texts.sql")
    restore("netra_ended", "0011_texts.sql")
    restore("netra_admit_ready", "0011_texts.sql")
    run("DROP FUNCTION netra_submit(jsonb, float8), netra_admit_new;")
