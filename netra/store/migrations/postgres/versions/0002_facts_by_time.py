"""Facts can be read by time: what ended since the last look is counted for metrics."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Facts are appended in the order of time, so a block-range index is small and costs nothing.
    op.get_bind().exec_driver_sql("CREATE INDEX facts_ts_idx ON facts USING brin (ts)")


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP INDEX facts_ts_idx")
