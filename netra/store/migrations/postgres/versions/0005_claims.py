"""Claims in a fair order, so that admitting ahead costs no tenant its turn."""

import re
from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"

HERE = Path(__file__).parent


def upgrade() -> None:
    _run((HERE / "0005_claims.sql").read_text())


def downgrade() -> None:
    for script, name in (
        ("0003_control.sql", "netra_admit"),
        ("0001_queue.sql", "netra_claim_next"),
    ):
        before = (HERE / script).read_text()
        pattern = rf"CREATE (?:OR REPLACE )?(FUNCTION {name}\(.*?\nEND \$\$;)"
        found = re.search(pattern, before, re.DOTALL)
        assert found is not None
        _run(f"CREATE OR REPLACE {found[1]}")


def _run(script: str) -> None:
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
