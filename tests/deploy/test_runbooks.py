"""Every command in the runbooks works: run against a real stack, or checked word by word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netra.embedded.info import StackInfo
from tests.deploy import runbooks
from tests.deploy.conftest import Proof
from tests.deploy.runbooks import Block

BLOCKS = list(runbooks.blocks())
MARKED = {mark: [block for block in BLOCKS if block.mark == mark] for mark in ("run", "check")}
#: Alerts name the part of a runbook that says what to do.
RULES = runbooks.ROOT / "deploy" / "monitoring" / "prometheus" / "rules" / "alerts.yml"


def test_every_block_of_commands_says_how_it_is_proven() -> None:
    assert [str(block) for block in BLOCKS if block.mark not in MARKED] == []
    assert len(MARKED["run"]) >= 12
    assert len(MARKED["check"]) >= 12


@pytest.mark.timeout(240)
def test_what_is_marked_run_runs(stack: StackInfo, proof: Proof) -> None:
    environ = {
        **os.environ,
        **stack.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NETRA_API_URL": stack.api_url,
        "NETRA_API_KEY": stack.api_key,
        "METRICS_URL": f"http://127.0.0.1:{stack.ports['metrics-api']}",
    }
    ran: dict[str, str] = {}
    for block in MARKED["run"]:
        for line in block.text.replace("\\\n", " ").splitlines():
            if line in ran or not line.strip():
                continue  # what only looks need not look twice
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", line],
                env=environ,
                cwd=runbooks.ROOT,
                capture_output=True,
                text=True,
            )
            said = f"{block}: {line}\n{done.stdout}{done.stderr}"
            assert done.returncode == 0, said
            assert "Traceback" not in done.stderr, said
            ran[line] = str(block)
    checked = 0
    for block in MARKED["check"]:
        for words in runbooks.commands(block):
            try:
                runbooks.check(words)
            except runbooks.Wrong as e:
                raise AssertionError(f"{block}: {' '.join(words)}: {e}") from e
            checked += 1
    proof(
        f"runbooks: {len(ran)} commands of {len(MARKED['run'])} blocks run on a real stack;"
        f" {checked} commands of {len(MARKED['check'])} blocks checked word by word"
    )


def test_commands_in_running_text_exist() -> None:
    seen = 0
    for page, words in runbooks.inline_commands():
        try:
            runbooks.check(words)
        except runbooks.Wrong as e:
            raise AssertionError(f"{page}: {' '.join(words)}: {e}") from e
        seen += 1
    assert seen > 5


@pytest.mark.parametrize(
    "line",
    [
        "kubectl -n netra-production rollout status deployment/netra-nothing",
        "kubectl -n elsewhere get pods",
        "kubectl -n netra-production get pods --no-such-flag",
        "kubectl frobnicate",
        "kubectl -n netra-production get pods -l app.kubernetes.io/component=nothing",
        "netra admin frobnicate",
        "netra admin reset --everything",
        "scripts/no-such-script.sh",
        "helm upgrade --install netra deploy/helm/nothing",
        "no-such-program",
    ],
)
def test_a_command_that_would_not_work_is_seen(line: str) -> None:
    block = Block("page", 1, "check", line)
    with pytest.raises(runbooks.Wrong):
        runbooks.check(runbooks.commands(block)[0])


def test_links_lead_somewhere() -> None:
    for page in runbooks.PAGES:
        for name in re.findall(r"`((?:\.\./|docs/)?[\w\-/]+\.md)`", page.read_text()):
            base = runbooks.ROOT if name.startswith("docs/") else page.parent
            assert (base / name).resolve().is_file(), f"{page.name}: {name}"
    if RULES.is_file():
        urls = re.findall(r"runbook_url: (\S+)", RULES.read_text())
        assert urls
        for url in urls:
            path, _, anchor = url.partition("#")
            assert anchor in runbooks.anchors(runbooks.ROOT / path), url
