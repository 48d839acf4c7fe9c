"""Stages are completed and claimed by fewer statements; several together by one."""

from netra.store.migrations.scripts import restore, run, run_file

revision = "0010"
down_revision = "0009"

_BEFORE = "0008_outbox.sql"


def upgrade() -> None:
    run_file("0010_moves.sql")


def downgrade() -> None:
    run("DROP FUNCTION netra_claim_some;")
    for name in ("netra_begin", "netra_done", "netra_claim_some", "netra_finish"):
        restore(name, _BEFORE)
    run("DROP FUNCTION netra_move;")
