"""The disaster drill in its small form; `make drill` runs the long one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from netra.embedded.supervisor import running_stack
from netra.settings import load
from netra.store import clickhouse
from tests.conftest import settings_without_stores, temporary_home
from tests.deploy.backup import drill
from tests.deploy.backup.place import NETRA
from tests.deploy.conftest import Proof

DR = Path(__file__).parents[2] / "scripts" / "dr"


@pytest.mark.timeout(600)
def test_all_is_lost_and_comes_back(proof: Proof) -> None:
    found = drill.run(events=100_000, jobs=2_000)
    assert found.passed, found
    assert found.events_restored >= 102_000
    assert found.jobs_restored >= 2_000
    proof(
        f"disaster drill: {found.events_restored} events and {found.jobs_restored} jobs; RTO"
        f" {found.rto_s} s ({found.parts_s}), RPO {found.rpo_s} s, 0 lost of what was kept"
    )


def test_recovery_of_a_cluster_says_its_steps_and_does_none_unasked() -> None:
    done = activate("cluster", "--until", "2026-11-25T21:50:00Z")
    assert done.returncode == 0, done.stderr
    steps = [line.removeprefix("recover: ") for line in done.stdout.splitlines()]
    order = ["use-context standby", "replicas=0", "restore-clickhouse --until"]
    order += ["netra.store.migrate", "dr/verify", "use-context standby", "deploy.sh --environment"]
    assert len(steps) == len(order) + 1
    for step, words in zip(steps, order, strict=False):
        assert words in step
    assert "--tag 1f0c2ab --values cloud-values.yaml --without-backup" in steps[-2]


def activate(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ, "NETRA": NETRA, "KUBECONTEXT": "standby", "TAG": "1f0c2ab",
        "VALUES": "cloud-values.yaml", **more,
    }  # fmt: skip
    return subprocess.run(
        [str(DR / "activate"), *arguments], env=environ, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "variable", "said"),
    [
        ((), "", "home or cluster"),
        (("cluster", "--from", "dns"), "", "there are stop clickhouse migrate verify start"),
        (("cluster",), "TAG", "TAG is missing"),
        (("cluster",), "VALUES", "VALUES is missing"),
        (("cluster", "--force"), "", "unknown option --force"),
    ],
)
def test_recovery_refuses_what_it_does_not_understand(
    arguments: tuple[str, ...], variable: str, said: str
) -> None:
    done = activate(*arguments, **({variable: ""} if variable else {}))
    assert done.returncode == 2
    assert said in done.stderr


def test_recovery_goes_on_where_a_step_failed(tmp_path: Path) -> None:
    """As after lost ingests, which `verify` names and `netra backup check --give-up` lets go."""
    calls = tmp_path / "calls"
    for name in ("netra", "python", "kubectl"):
        program = tmp_path / name
        fails = '[[ "$*" != *check* || -e "$0.mended" ]]'
        program.write_text(f'#!/usr/bin/env bash\necho "{name} $*" >>{calls}\n{fails}\n')
        program.chmod(0o755)
    given = {
        "NETRA": str(tmp_path / "netra"), "PYTHON": str(tmp_path / "python"),
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONTEXT": "",
    }  # fmt: skip
    first = activate("cluster", "--yes", **given)
    assert first.returncode == 1
    assert "the step verify failed" in first.stderr
    assert "--from verify" in first.stderr
    ran = [" ".join(line.split()[:3]) for line in calls.read_text().splitlines()]
    assert ran == [
        "netra backup restore-clickhouse", "python -m netra.store.migrate", "netra backup check",
    ]  # fmt: skip
    calls.unlink()
    (tmp_path / "netra.mended").touch()
    second = activate("cluster", "--yes", "--from", "verify", **given)
    assert second.returncode == 0, second.stderr
    assert "done; next: point DNS" in second.stdout
    ran = [line.split()[:3] for line in calls.read_text().splitlines()]
    assert ran[0] == ["netra", "backup", "check"], "nothing before it is done again"
    assert "restore-clickhouse" not in calls.read_text()


#: What `aws` answers, and for which objects it says that they are there.
AWS = """#!/usr/bin/env bash
case "$2" in
    list-objects-v2) printf 'clickhouse/1/%s/\\t' \
        20261115T030000 20261122T030000 20261122T120000-incremental 20261125T000000-incremental \
        20261125T120000-incremental 20261126T000000-incremental ;;
    head-object) [[ "$*" != *20261126* ]] ;;
esac
"""


@pytest.mark.parametrize(
    ("until", "newest", "base"),
    [
        # The newest was not complete when the region was lost.
        ((), "20261125T120000-incremental", "20261122T030000"),
        (("--until", "2026-11-25T11:59:00Z"), "20261125T000000-incremental", "20261122T030000"),
        (("--until", "2026-11-22T10:00:00Z"), "20261122T030000", ""),
        (("--until", "2026-11-20T10:00:00Z"), "20261115T030000", ""),
    ],
)
def test_the_copy_of_clickhouse_that_is_restored(
    tmp_path: Path, until: tuple[str, ...], newest: str, base: str
) -> None:
    """The nodes' own backups, which `netra backup` does not know (AWS)."""
    (tmp_path / "aws").write_text(AWS)
    (tmp_path / "aws").chmod(0o755)
    done = subprocess.run(
        [str(DR / "clickhouse-copy"), "--bucket", "copies", "--dry-run", *until],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    place = "https://copies.s3.us-west-2.amazonaws.com/clickhouse/1"
    assert f"RESTORE DATABASE netra FROM S3('{place}/{newest}')" in done.stderr
    assert (f"base_backup = S3('{place}/{base}')" in done.stderr) == bool(base)


def test_without_a_complete_copy_nothing_is_restored(tmp_path: Path) -> None:
    (tmp_path / "aws").write_text(AWS)
    (tmp_path / "aws").chmod(0o755)
    done = subprocess.run(
        [str(DR / "clickhouse-copy"), "--bucket", "copies", "--until", "2026-11-01T00:00:00Z"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "has no complete full backup until then" in done.stderr


def test_an_incremental_copy_is_restored_where_its_full_one_has_moved(proof: Proof) -> None:
    """The copies lie in another bucket than the backup itself says: the statement must name it.

    On the real engine, with folders in place of buckets: this engine has no thread for S3.
    """
    with (
        temporary_home() as home,
        running_stack(home, ("clickhouse",), settings_without_stores()) as info,
    ):
        client = clickhouse.connect(load({**os.environ, **info.environment}).clickhouse)
        lost = home / "clickhouse" / "backups" / "lost"
        copies = lost.with_name("copies")
        lost.mkdir(parents=True, exist_ok=True)
        client.command("CREATE DATABASE IF NOT EXISTS copied")
        client.command("CREATE TABLE copied.t (a UInt64) ENGINE = MergeTree ORDER BY a")
        client.command("INSERT INTO copied.t SELECT number FROM numbers(100000)")
        client.query(f"BACKUP DATABASE copied TO File('{lost}/full')")
        client.command("INSERT INTO copied.t SELECT number + 100000 FROM numbers(5000)")
        client.query(
            f"BACKUP DATABASE copied TO File('{lost}/later')"
            f" SETTINGS base_backup = File('{lost}/full')"
        )
        assert (lost / "later" / ".backup").is_file(), "what clickhouse-copy looks for"
        lost.rename(copies)
        source = f"FROM File('{copies}/later')"
        with pytest.raises(Exception, match="BACKUP_NOT_FOUND"):
            client.query(f"RESTORE DATABASE copied AS without {source}")
        named = f"{source} SETTINGS base_backup = File('{copies}/full')"
        client.query(f"RESTORE DATABASE copied AS restored {named}")
        assert client.query("SELECT count(), sum(a) FROM restored.t").result_rows == [
            (105_000, sum(range(105_000)))
        ]
        client.close()
    proof(
        "ClickHouse's own format: an increment restored from copies that lie elsewhere than it"
        " says, by the statement that clickhouse-copy makes (folders, not S3)"
    )
