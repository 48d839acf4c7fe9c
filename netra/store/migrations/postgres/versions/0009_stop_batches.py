"""A batch's jobs are stopped by the thousand, not one by one."""

from netra.store.migrations.scripts import restore, run_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_file("0009_stop_batches.sql")


def downgrade() -> None:
    restore("netra_stop_batches", "0003_control.sql")
