"""KEDA's queries, as the chart renders them, on the real database while it works."""

from __future__ import annotations

import math
import os
import time
from typing import Any

import pytest

from netra.client import JobRequest, Netra
from netra.embedded.info import StackInfo
from netra.settings import load
from netra.store import postgres
from tests.deploy.chart import objects
from tests.deploy.chart.render import environments
from tests.deploy.conftest import Proof

POOLS = {"cpu": "noop", "gpu": "noop-gpu"}
JOBS = 150


def scaled(pool: str) -> dict[str, Any]:
    manifests = environments()["production"].manifests
    return objects.find(manifests, "ScaledObject", f"netra-worker-{pool}")["spec"]


def query(pool: str) -> str:
    [trigger] = scaled(pool)["triggers"]
    return trigger["metadata"]["query"]


def slots(pool: str) -> int:
    variables = objects.variables(environments()["production"].manifests)
    return int(variables[f"NETRA_WORKERS_{pool.upper()}_CONCURRENCY"] or 0)


def pods_wanted(states: dict[str, int], pool: str) -> int:
    """What the query is to answer: the pods that the stages keep busy, within the largest pool."""
    most = scaled(pool)["maxReplicaCount"] * slots(pool)
    busy = states.get("running", 0) + states.get("admitted", 0) + min(states.get("ready", 0), most)
    return math.ceil(busy / slots(pool))


@pytest.mark.parametrize("pool", POOLS)
def test_the_scaler_asks_for_one_pod_for_each_the_query_counts(pool: str) -> None:
    spec = scaled(pool)
    [trigger] = spec["triggers"]
    assert (trigger["type"], trigger["metricType"]) == ("postgresql", "AverageValue")
    assert trigger["metadata"]["targetQueryValue"] == "1"
    assert spec["scaleTargetRef"]["name"] == f"netra-worker-{pool}"
    [parameter] = objects.find(
        environments()["production"].manifests, "TriggerAuthentication", "netra-database"
    )["spec"]["secretTargetRef"]
    assert parameter == {"parameter": "connection", "name": "netra-secrets", "key": "database-url"}


@pytest.mark.timeout(180)
def test_the_queries_count_what_could_run_while_jobs_run(stack: StackInfo, proof: Proof) -> None:
    with Netra(stack.api_url, stack.api_key) as netra:
        batch_ids = []
        for agent in POOLS.values():
            stage = {"agent": agent, "params": {"sleep_s": 0.05}}
            jobs = [JobRequest(stages=(stage,)) for _ in range(JOBS)]
            batch_ids.append(netra.batches.submit_all(f"scaling-{agent}", jobs).batch.id)
        answers = _sampled(stack)
        for batch_id in batch_ids:
            netra.batches.cancel(batch_id)
    assert max(answers["cpu"]) > 10
    assert max(answers["gpu"]) > 10
    highest = ", ".join(f"{pool} {max(seen)}" for pool, seen in answers.items())
    proof(
        f"scaling: KEDA's queries agreed with a count of stages in {len(answers['cpu'])} snapshots"
        f" of the real database while {JOBS * len(POOLS)} jobs ran; most pods wanted: {highest}"
    )


def _sampled(stack: StackInfo) -> dict[str, list[int]]:
    """The queries' answers in snapshots taken until the queue is short, each checked by hand."""
    answers: dict[str, list[int]] = {pool: [] for pool in POOLS}
    settings = load({**os.environ, **stack.environment})
    with postgres.connect(settings.database, "test") as connection:
        for _ in range(40):
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                counted = connection.execute(
                    "SELECT pool, state, count(*) AS n FROM stages"
                    " WHERE state <> 'ready' OR run_at <= now() GROUP BY pool, state"
                ).fetchall()
                for pool in POOLS:
                    states = {r["state"]: r["n"] for r in counted if r["pool"] == pool}
                    row = connection.execute(query(pool)).fetchone()
                    assert row is not None
                    [answer] = row.values()
                    assert isinstance(answer, int), "KEDA reads an integer"
                    assert answer == pods_wanted(states, pool), (pool, states)
                    answers[pool].append(answer)
            time.sleep(0.1)
    return answers


def test_a_long_queue_costs_no_more_than_the_largest_pool(stack: StackInfo) -> None:
    """Of 20,000 ready stages as many are read as the largest pool has slots, by the index."""
    settings = load({**os.environ, **stack.environment})
    with (
        postgres.connect(settings.database, "test") as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute(
            "WITH j AS (INSERT INTO jobs (id, tenant_id, goal, params, labels, stages_left)"
            " SELECT gen_random_uuid(), 'default', '{}', '{}', '{}', 1"
            " FROM generate_series(1, 20000)"
            " RETURNING id) INSERT INTO stages (id, tenant_id, job_id, name, position, agent, pool,"
            " params, after, pending, priority, limit_s, state, ready_at)"
            " SELECT gen_random_uuid(), 'default', id, 'only', 0, 'noop', 'cpu', '{}', '{}', 0, 5,"
            " 60, 'ready', now() FROM j"
        )
        row = connection.execute(query("cpu")).fetchone()
        assert row is not None
        assert min(row.values()) >= scaled("cpu")["maxReplicaCount"]
        lines = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {query('cpu')}").fetchall()
    plan = "\n".join(line["QUERY PLAN"] for line in lines)
    [limited] = [line for line in plan.splitlines() if "Limit" in line]
    most = scaled("cpu")["maxReplicaCount"] * slots("cpu")
    assert f"rows={most}" in limited.split("actual")[1].replace(f"rows={most}.00", f"rows={most}")
    assert "stages_running_idx" in plan
    assert "stages_admitted_idx" in plan
