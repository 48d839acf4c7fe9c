"""Facts are handed over with the trace of their job: a trace goes on through the outbox."""

from netra.store.migrations.scripts import restore, run_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_file("0006_traced_facts.sql")


def downgrade() -> None:
    restore("netra_fact", "0001_queue.sql")
