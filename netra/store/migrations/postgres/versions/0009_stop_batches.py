"""A batch's jobs are stopped by the thousand, not one by one."""

import re
from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"

HERE = Path(__file__).parent


def upgrade() -> None:
    _run((HERE / "0009_stop_batches.sql").read_text())


def downgrade() -> None:
    script = (HERE / "0003_control.sql").read_text()
    found = re.search(r"CREATE (FUNCTION netra_stop_batches\(.*?\nEND \$\$;)", script, re.DOTALL)
    assert found is not None
    _run(f"CREATE OR REPLACE {found[1]}")


def _run(script: str) -> None:
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
