"""Facts are handed over with the trace of their job: a trace goes on through the outbox."""

import re
from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

HERE = Path(__file__).parent


def upgrade() -> None:
    _run((HERE / "0006_traced_facts.sql").read_text())


def downgrade() -> None:
    before = (HERE / "0001_queue.sql").read_text()
    found = re.search(r"CREATE (FUNCTION netra_fact\(.*?\nEND \$\$;)", before, re.DOTALL)
    assert found is not None
    _run(f"CREATE OR REPLACE {found[1]}")


def _run(script: str) -> None:
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
