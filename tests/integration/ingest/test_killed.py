"""A loading process killed in the middle leaves nothing visible and does not block the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from netra.errors import Conflict
from netra.ingest import generate
from netra.ingest.load import sweep
from netra.store import ingest
from tests.integration.ingest.conftest import TENANT, Desk

#: Loads a file, says when its first rows are in, and then hangs.
_CHILD = """
import sys, time
from pathlib import Path
from uuid import UUID
from netra.ingest.load import load
from netra.settings import ClickHouse, Database
from netra.store import clickhouse, postgres

def hang(rows, done, total):
    print(rows, flush=True)
    time.sleep(600)

urls = sys.stdin.readline().split()
load(
    Path(sys.argv[1]),
    tenant_id="default",
    workload_id=UUID(sys.argv[2]),
    client=clickhouse.connect(ClickHouse(url=urls[0])),
    pg=postgres.connect(Database(url=urls[1]), "victim"),
    progress=hang,
    insert_rows=20_000,
)
"""


def test_killed_in_the_middle(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "made.parquet"
    generate.write(path, 60_000, days=2)
    workload_id = desk.workload()
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(path), str(workload_id)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert child.stdin
    assert child.stdout
    settings = desk.settings
    child.stdin.write(f"{settings.clickhouse.url} {settings.database.url}\n")
    child.stdin.flush()
    loaded = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()

    assert 0 < loaded < 60_000
    assert desk.stored(workload_id) == loaded
    assert desk.visible(workload_id) == []
    assert desk.events(workload_id, "event_id").num_rows == 0
    with pytest.raises(Conflict):  # it might still be alive
        desk.load(path, workload_id)

    outcome = desk.load(path, workload_id, stale_s=0.0)
    assert (outcome.events, outcome.duplicates) == (60_000, 0)
    assert desk.events(workload_id, "event_id").num_rows == 60_000

    dead = desk.row("SELECT id, state, error FROM ingests WHERE id != %s AND workload_id = %s",
                    outcome.ingest_id, workload_id)  # fmt: skip
    assert (dead["state"], dead["error"]["type"]) == ("failed", "abandoned")
    assert sweep(desk.client, desk.pg) >= 1
    desk.until_stored(workload_id, 60_000)
    assert ingest.visible(desk.pg, tenant_id=TENANT, workload_id=workload_id) == [outcome.ingest_id]
