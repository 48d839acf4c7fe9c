"""docs/runbooks/restore-compose.md: its steps on real stores, and its folders and files.

There is no Docker here. Each server is a process instead of a container, set up by compose's own
files; the commands in the containers are the page's.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from netra.backup import programs
from netra.embedded import account
from netra.embedded.info import StackInfo
from netra.embedded.supervisor import running_stack
from tests.conftest import settings_without_stores, temporary_home
from tests.deploy import runbooks
from tests.deploy.backup.place import Place, Work, place
from tests.deploy.compose.model import FOLDER
from tests.deploy.conftest import Proof
from tests.deploy.test_backup import until_sent

PAGE = runbooks.ROOT / "docs" / "runbooks" / "restore-compose.md"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


def in_backup() -> list[list[str]]:
    """What the page has run in the container of backups, in its order."""
    blocks = [b for b in runbooks.blocks() if b.page == PAGE.name]
    words = [w for b in blocks for w in runbooks.commands(b)]
    return [
        w[w.index("netra") + 2 :] for w in words if "run" in w and w[-1] != "list" and "netra" in w
    ]


def test_the_folders_are_those_of_the_images() -> None:
    """PostgreSQL 18's image keeps its data below the folder of the major version."""
    major = re.fullmatch(r"postgres:(\d+)\.\d+", COMPOSE["postgres"]["image"])
    assert major
    volumes = dict(v.split(":")[:2] for v in COMPOSE["postgres"]["volumes"])
    restored = f"{volumes['postgres_data']}/{major[1]}/docker"
    assert ["restore-postgres", restored, "--until", "TIME"] in in_backup()
    over = yaml.safe_load((FOLDER / "compose.restore.yaml").read_text())["services"]
    assert over == {"backup": {"volumes": [f"postgres_data:{volumes['postgres_data']}"]}}
    page = PAGE.read_text()
    user, group = COMPOSE["backup"]["user"].split(":")
    assert f"--owner={user} --group={group} --mode=0755 {major[1]}" in page
    assert f"chown --recursive postgres:postgres {volumes['postgres_data']}/{major[1]}'" in page
    assert restored in (runbooks.ROOT / "docs" / "disaster-recovery.md").read_text()


def test_the_page_s_words_for_bash_are_bash() -> None:
    said = [w[-1] for b in runbooks.blocks() if b.page == PAGE.name for w in runbooks.commands(b)
            if "--entrypoint" in w]  # fmt: skip
    assert len(said) == 2
    for text in said:
        subprocess.run(["bash", "-n", "-c", text], check=True)


def test_the_old_cluster_is_moved_aside_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    [text] = [w[-1] for b in runbooks.blocks() if b.page == PAGE.name for w in runbooks.commands(b)
              if "--entrypoint" in w and "install" in w[-1]]  # fmt: skip
    here = text.replace("/var/lib/postgresql", str(tmp_path))
    old = tmp_path / "18" / "docker" / "PG_VERSION"
    old.parent.mkdir(parents=True)
    old.write_text("18\n")
    if os.geteuid() != 0:
        here = re.sub(r"--(owner|group)=\d+ ", "", here)
    subprocess.run(["bash", "-c", here], check=True)
    assert list((tmp_path / "18").iterdir()) == []
    [aside] = tmp_path.glob("18.before-*")
    assert (aside / "docker" / "PG_VERSION").read_text() == "18\n"


@contextmanager
def postgres(cluster: Path) -> Iterator[int]:
    """PostgreSQL on a folder with compose's own files, but for memory; its port."""
    files = cluster.parent / "files"
    files.mkdir()
    for name in ("compose.conf", "pg_hba.conf"):
        shutil.copy(runbooks.ROOT / "config" / "postgresql" / name, files)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    other = account.unprivileged()
    for path in (files, *files.iterdir(), cluster.parent):
        path.chmod(0o755 if path.is_dir() else 0o644)
    given = {
        "config_file": files / "compose.conf",
        "hba_file": files / "pg_hba.conf",
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
    }
    command = [str(programs.folder(settings_without_stores()) / "postgres"), "-D", str(cluster)]
    command += [part for k, v in given.items() for part in ("-c", f"{k}={v}")]
    log = cluster.parent / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdout=output,
            stderr=output,
            user=other.uid if other else None,
            group=other.gid if other else None,
            extra_groups=[] if other else None,
        )
    try:
        end = time.monotonic() + 60
        while "ready to accept connections" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.timeout(300)
def test_the_steps_of_the_page_bring_back_what_was_kept(proof: Proof) -> None:
    with place() as made, temporary_home() as fresh:
        held, at, url = lost(made)
        made.destroy()
        cluster = fresh / "postgresql" / "18" / "docker"
        cluster.parent.mkdir(parents=True)
        for folder in (fresh, fresh / "postgresql", cluster.parent):
            folder.chmod(0o755)
        steps = iter(in_backup())

        def step(where: Place) -> None:
            words = [{"TIME": at}.get(w, w) for w in next(steps)]
            where.run(*[str(cluster) if w.endswith("/18/docker") else w for w in words])

        step(made)
        new = temporary_home()
        with (
            postgres(cluster) as port,
            new as home,
            running_stack(home, {"clickhouse", "valkey"}, settings_without_stores()) as info,
        ):
            database = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{port}").geturl()
            environ = {
                "DATABASE_URL": database,
                "CLICKHOUSE_URL": info.clickhouse_url,
                "REDIS_URL": info.redis_url,
                "NETRA_BACKUP_CLICKHOUSE_FOLDER": str(home / "clickhouse" / "backups"),
            }
            there = Place(home=made.home, kept=made.kept, environ=environ)
            step(there)
            migrate = [sys.executable, "-m", "netra.store.migrate"]
            subprocess.run(migrate, env=there.environment, check=True, capture_output=True)
            step(there)
            assert at_work(there, info, database).fingerprint() == held
            step(there)  # backups anew
            with psycopg.connect(database) as pg:
                assert pg.execute("SHOW config_file").fetchone() == (
                    str(cluster.parent / "files" / "compose.conf"),
                )
        proof(
            f"compose restored by its page's commands: {held['workload_events'][0]} events and"
            f" {held['ingests']['n']} ingests as they were at a moment, by hashes of all rows"
        )


def lost(made: Place) -> tuple[dict[str, Any], str, Any]:
    """Backups of a stack; what it held at a moment, the moment, and its database's URL."""
    with made.stores() as work:
        work.migrate()
        with made.following():
            work.ingest(5_000, 1)
            made.run("take", "all")
            work.ingest(2_000, 2)
            until_sent(work, made.kept)
            at, held = work.now(), work.fingerprint()
            work.ingest(1_000, 3)
            until_sent(work, made.kept)
        return held, at, urlsplit(work.info.database_url)


def at_work(there: Place, info: StackInfo, database: str) -> Work:
    work = Work(there, info)
    work.settings = there.settings
    assert work.settings.database.url == database
    return work
