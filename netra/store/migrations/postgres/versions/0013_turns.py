"""Turns by weight where there are few slots; a lowered limit holds for what was admitted, too."""

from netra.store.migrations.scripts import restore, run, run_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_file("0013_turns.sql")


def downgrade() -> None:
    restore("netra_pick", "0011_texts.sql")
    restore("netra_admit_pools", "0011_texts.sql")
    run("DROP FUNCTION netra_level, netra_limit;")
