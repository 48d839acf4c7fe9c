"""The disaster drill in its small form; `make drill` runs the long one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

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
    environ = {**os.environ, "NETRA": NETRA, "KUBECONTEXT": "standby", "NETRA_API_URL": "http://x"}
    command = [str(DR / "activate"), "cluster", "--until", "2026-11-25T21:50:00Z"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    steps = [line.removeprefix("recover: ") for line in done.stdout.splitlines()]
    order = ["replicas=0", "restore-clickhouse --until", "netra.store.migrate", "dr/verify"]
    order += ["netra-backend netra-scheduler", "netra-worker-cpu", "rollout status", "smoke-test"]
    assert len(steps) == len(order) + 1
    for step, words in zip(steps, order, strict=False):
        assert words in step
    refused = subprocess.run([str(DR / "activate")], capture_output=True, text=True)
    assert refused.returncode == 2
