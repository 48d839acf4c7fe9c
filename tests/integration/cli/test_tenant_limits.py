"""A stage that its tenant's own limit holds back is told apart from one that has its turn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from netra.cli.checks import check, queue
from netra.cli.checks.check import Check
from netra.cli.main import main
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.store import tenant
from tests.integration.bench import Bench
from tests.integration.fixtures import bench

__all__ = ["bench"]

TWO = "2 stages of tenant zwei wait for its limit of 1 running stages"


@pytest.fixture
def zwei(bench: Bench) -> Bench:
    """A tenant with a limit of one that it has used up; two of its stages wait, one later."""
    pg = bench.queue.connection
    pg.execute("INSERT INTO tenants (id) VALUES ('zwei'), ('drei') ON CONFLICT DO NOTHING")
    bench.slots(4)
    bench.submit({"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "later"}, tenant="zwei")
    pg.execute("UPDATE stages SET run_at = now() + interval '1 hour' WHERE name = 'later'")
    tenant.set_limit(pg, "zwei", 1)
    tenant.set_limit(pg, "drei", 0)
    bench.admit()
    return bench


def shown(stores: StackInfo, *options: str) -> str:
    command = ["admin", "queue", "--home", str(stores.home), *options]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def doctored(bench: Bench, stores: StackInfo) -> Check:
    on = check.subject(Home(stores.home), bench.settings)
    (found,) = [c for c in queue.queue(on) if c.name == "tenant limits"]
    return found


def test_the_queue_says_whose_limit_holds_what_back(zwei: Bench, stores: StackInfo) -> None:
    assert TWO in " ".join(shown(stores).split())
    found: dict[str, Any] = json.loads(shown(stores, "--json"))
    (limited,) = found["held_back"]
    assert (limited["tenant"], limited["max_running"], limited["stages"]) == ("zwei", 1, 2)
    assert limited["oldest_s"] >= 0
    # Below the limit it waits for its turn, as everybody does.
    tenant.set_limit(zwei.queue.connection, "zwei", 2)
    assert json.loads(shown(stores, "--json"))["held_back"] == []


def test_the_doctor_notes_a_limit_and_warns_of_one_that_lets_nothing_begin(
    zwei: Bench, stores: StackInfo
) -> None:
    noted = doctored(zwei, stores)
    assert noted.state == "ok"
    assert noted.found.startswith(TWO)
    assert "netra tenant set zwei --max-running" in noted.found
    tenant.set_limit(zwei.queue.connection, "zwei", 0)
    warned = doctored(zwei, stores)
    assert (warned.state, "zwei" in warned.mend) == ("warn", True)
    tenant.set_limit(zwei.queue.connection, "zwei", None)
    assert doctored(zwei, stores).found == "none holds a stage back"
