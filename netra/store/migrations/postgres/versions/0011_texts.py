"""Facts are written as text once, and copied from then on."""

from netra.store.migrations.scripts import restore, run, run_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_file("0011_texts.sql")


def downgrade() -> None:
    restore("netra_finish", "0010_moves.sql")
    # The one with five arguments is the first in that file, the one with four the last.
    restore("netra_admit", "0008_outbox.sql")
    restore("netra_admit", "0008_outbox.sql", last=True)
    restore("netra_published", "0008_outbox.sql")
    restore("netra_pick", "0008_outbox.sql")
    run("""
        DROP FUNCTION netra_report, netra_admit_pools, netra_admit_ready, netra_moved,
            netra_begun, netra_ended, netra_told;
        ALTER TABLE outbox ALTER facts TYPE jsonb USING facts::text::jsonb;
    """)
