"""Fair turns, poison stages, batches stopped as one, and what losing attempts left behind."""

import re
from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

HERE = Path(__file__).parent


def upgrade() -> None:
    _run((HERE / "0003_control.sql").read_text())


def downgrade() -> None:
    before = (HERE / "0001_queue.sql").read_text()
    for name in ("netra_admit", "netra_heartbeat", "netra_retry"):
        found = re.search(rf"CREATE (FUNCTION {name}\(.*?\n(?:END )?\$\$;)", before, re.DOTALL)
        assert found is not None
        _run(f"CREATE OR REPLACE {found[1]}")
    _run("""
        DROP FUNCTION netra_take_back, netra_stop_batches, netra_prioritize, netra_wrote;
        DROP TABLE shares;
        DROP INDEX stages_ready_idx, stages_wrote_idx, jobs_batch_state_idx,
            batches_stopping_idx, dead_letters_waiting_idx;
        DROP FUNCTION netra_turn;
        ALTER TABLE stages DROP COLUMN killed, DROP COLUMN wrote;
        ALTER TABLE batches DROP COLUMN stop_requested_at;
        CREATE INDEX stages_ready_idx ON stages (pool, tenant_id, priority DESC, ready_at)
            WHERE state = 'ready';
    """)


def _run(script: str) -> None:
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
