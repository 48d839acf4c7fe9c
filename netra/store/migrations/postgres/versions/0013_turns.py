"""Turns by weight where there are few slots; limits hold for what was admitted; an index less."""

from netra.store.migrations.scripts import restore, run, run_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_file("0013_turns.sql")


def downgrade() -> None:
    restore("netra_pick", "0011_texts.sql")
    restore("netra_admit_pools", "0011_texts.sql")
    run("""
        DROP FUNCTION netra_level, netra_limit;
        CREATE INDEX jobs_batch_idx ON jobs (batch_id, id) WHERE batch_id IS NOT NULL;
    """)
