"""The outbox, and stages claimed and completed several at once."""

from netra.store.migrations.scripts import restore, run_file

revision = "0008"
down_revision = "0007"

#: Where the functions stand that this replaces, as they were.
_BEFORE = {
    "netra_published": "0001_queue.sql",
    "netra_fact": "0006_traced_facts.sql",
    "netra_submit": "0001_queue.sql",
    "netra_start": "0001_queue.sql",
    "netra_complete": "0001_queue.sql",
    "netra_complete_and_claim": "0001_queue.sql",
    "netra_admit": "0005_claims.sql",
    "netra_claim_next": "0005_claims.sql",
}


def upgrade() -> None:
    run_file("0008_outbox.sql")


def downgrade() -> None:
    for name, script in _BEFORE.items():
        restore(name, script)
    run_file("0008_undo.sql")
