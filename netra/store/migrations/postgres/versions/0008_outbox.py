"""The outbox, and stages claimed and completed several at once."""

import re
from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"

HERE = Path(__file__).parent
#: Where the functions stand that this replaces, as they were.
_BEFORE = {
    "netra_published": "0001_queue.sql",
    "netra_fact": "0006_traced_facts.sql",
    "netra_submit": "0001_queue.sql",
    "netra_start": "0001_queue.sql",
    "netra_complete": "0001_queue.sql",
    "netra_complete_and_claim": "0001_queue.sql",
    "netra_admit": "0005_claims.sql",
    "netra_claim_next": "0005_claims.sql",
}


def upgrade() -> None:
    _run((HERE / "0008_outbox.sql").read_text())


def downgrade() -> None:
    for name, script in _BEFORE.items():
        found = re.search(
            rf"CREATE (?:OR REPLACE )?(FUNCTION {name}\(.*?\nEND \$\$;)",
            (HERE / script).read_text(),
            re.DOTALL,
        )
        assert found is not None
        _run(f"CREATE OR REPLACE {found[1]}")
    _run((HERE / "0008_undo.sql").read_text())


def _run(script: str) -> None:
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
