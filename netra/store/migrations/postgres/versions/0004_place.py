"""A stage that is handed back or taken back keeps its place among those that wait."""

import re
from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

HERE = Path(__file__).parent
_NEW_PLACE = "ready_at = clock_timestamp(),\n        run_at"


def upgrade() -> None:
    _requeue(_before().replace(_NEW_PLACE, "run_at"))


def downgrade() -> None:
    _requeue(_before())


def _before() -> str:
    script = (HERE / "0001_queue.sql").read_text()
    found = re.search(r"CREATE (FUNCTION netra_requeue\(.*?\nEND \$\$;)", script, re.DOTALL)
    assert found is not None
    assert _NEW_PLACE in found[1]
    return found[1]


def _requeue(function: str) -> None:
    statement = f"CREATE OR REPLACE {function}"
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
