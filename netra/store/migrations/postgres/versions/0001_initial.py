"""The first schema: tables, and the queue's transitions as functions."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

HERE = Path(__file__).parent


def upgrade() -> None:
    connection = op.get_bind()
    for name in ("0001_tables.sql", "0001_queue.sql"):
        connection.exec_driver_sql((HERE / name).read_text().replace("%", "%%"))


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
