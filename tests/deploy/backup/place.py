"""A stack's folder and a folder of backups, worked on by the commands that an operator uses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from netra.backup import home as whole
from netra.embedded.info import StackInfo
from netra.embedded.processes import STORES
from netra.embedded.supervisor import running_stack
from netra.ids import new_id
from netra.ingest import generate
from netra.ingest.load import load
from netra.ingest.write import write_events
from netra.settings import ALIASES, Settings
from netra.store import clickhouse, postgres
from netra.store.ingest import Outcome
from tests.conftest import migrate, settings_without_stores, temporary_home

NETRA = str(Path(sys.executable).with_name("netra"))
ROOT = Path(__file__).parents[3]


@dataclass
class Place:
    home: Path
    #: Where backups are kept.
    kept: Path
    #: `NETRA_BACKUP_URL`; the folder `kept`, unless a test says otherwise.
    url: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """As on an operator's machine: no store is given, the stack of the folder is used."""
        plain = {k: v for k, v in os.environ.items() if k not in ALIASES}
        own = {"NETRA": NETRA, "NETRA_EMBEDDED_HOME": str(self.home)}
        own |= {"NETRA_EMBEDDED_API_PORT": "0", "NETRA_EMBEDDED_FLOWER_PORT": "0"}
        more = {"NETRA_BACKUP_URL": self.url or str(self.kept), "NETRA_BACKUP_FOLLOW_S": "1"}
        return {**plain, **own, **more, **self.environ}

    @property
    def settings(self) -> Settings:
        return settings_without_stores(**{k: v for k, v in self.environment.items()})

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`netra backup …`, or a script when the first word is a file's name."""
        command = [str(ROOT / "scripts" / arguments[0]), *arguments[1:]]
        if not arguments[0].endswith(".sh"):
            command = [NETRA, "backup", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def netra(self, *arguments: str) -> str:
        """Any other command."""
        done = subprocess.run(
            [NETRA, *arguments], env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def following(self) -> Iterator[subprocess.Popen[bytes]]:
        """`netra backup follow`, for the length of the block."""
        command = [NETRA, "backup", "follow"]
        with (self.kept.parent / "follow.log").open("ab") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    @contextmanager
    def stores(self) -> Iterator[Work]:
        """The three stores run."""
        with running_stack(self.home, STORES, self.settings) as info:
            yield Work(self, info)

    def destroy(self) -> None:
        """The disk is lost: everything but PostgreSQL's programs, which came with Netra."""
        for path in self.home.iterdir():
            if path.name != "engines":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


class Work:
    """What is done on stores that run."""

    def __init__(self, place: Place, info: StackInfo) -> None:
        self.info = info
        self.settings = whole.settings_of(info, place.settings)
        self.files = place.kept.parent

    def migrate(self) -> None:
        migrate(self.info)

    def ingest(self, rows: int, seed: int, workload: UUID | None = None) -> Outcome:
        """Loads generated events, into a workload of their own unless one is named."""
        file = self.files / f"{rows}-{seed}.parquet"
        if not file.exists():
            write_events(file, generate.workload(rows, seed)[1])
        client = clickhouse.connect(self.settings.clickhouse)
        try:
            with postgres.connect(self.settings.database, "test") as pg:
                return load(
                    file,
                    tenant_id="default",
                    workload_id=workload or self.workload(),
                    client=client,
                    pg=pg,
                )
        finally:
            client.close()

    def workload(self) -> UUID:
        made = new_id()
        self.sql(
            "INSERT INTO workloads (id, tenant_id, name) VALUES (%s, 'default', %s)",
            [made, str(made)],
        )
        return made

    def sql(self, statement: str, values: Any = ()) -> list[dict[str, Any]]:
        with postgres.connect(self.settings.database, "test") as pg:
            cursor = pg.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def clickhouse(self, query: str) -> list[Any]:
        client = clickhouse.connect(self.settings.clickhouse)
        try:
            return list(client.query(query).result_rows)
        finally:
            client.close()

    def fingerprint(self) -> dict[str, Any]:
        """What the stores hold, in figures that differ when a row does."""
        tables = ("tenants", "workloads", "ingests", "jobs", "stages", "facts", "stage_results")
        found: dict[str, Any] = {
            table: self.sql(
                f"SELECT count(*) AS n, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)"
                f"::text AS hash FROM {table} t"
            )[0]
            for table in tables
        }
        known = self.sql("SELECT id FROM ingests WHERE state = 'visible'")
        visible = ", ".join(f"'{row['id']}'" for row in known) or "NULL"
        found["workload_events"] = self.clickhouse(
            "SELECT count(), sum(cityHash64(*)) FROM workload_events"
            f" WHERE ingest_id IN ({visible})"
        )[0]
        return found

    def now(self) -> str:
        return str(self.sql("SELECT clock_timestamp()::text AS now")[0]["now"])


@contextmanager
def place() -> Iterator[Place]:
    with temporary_home() as home, tempfile.TemporaryDirectory(prefix="netra-kept-") as kept:
        begin(Path(kept) / "backups")
        yield Place(home=home, kept=Path(kept) / "backups")


def begin(folder: Path) -> Path:
    """Makes it one that an operator has begun (`--create`): an empty one may be a disk's place."""
    folder.mkdir(exist_ok=True)
    (folder / "begun").touch()
    return folder
