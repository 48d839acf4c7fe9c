"""Every command in the runbooks works: run against a real stack, or checked word by word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from netra.embedded.info import StackInfo
from netra.store import migrate
from tests.deploy import runbooks
from tests.deploy.chart.render import environments
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
    """With what an operator of one machine has set, which is nothing: the stack's folder alone."""
    ours = ("NETRA_", "DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL", "METRICS_URL", "JWT_")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NETRA_EMBEDDED_HOME": str(stack.home),
    }
    ran: dict[str, str] = {}
    for block in MARKED["run"]:
        # What only looks need not look twice.
        text = "\n".join(line for line in block.text.splitlines() if line not in ran)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env=environ,
            cwd=runbooks.ROOT,
            capture_output=True,
            text=True,
        )
        said = f"{block}: {text}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, said
        assert "Traceback" not in done.stderr, said
        ran |= dict.fromkeys(text.splitlines(), done.stdout + done.stderr)
    [traced] = [said for text, said in ran.items() if "netra.allocations" in text]
    assert re.search(r"allocations of \d+: .* MiB now", traced)
    lines = sum(len(runbooks.commands(block)) for block in MARKED["run"])
    checked = 0
    for block in MARKED["check"]:
        for words in runbooks.commands(block):
            try:
                runbooks.check(words)
            except runbooks.Wrong as e:
                raise AssertionError(f"{block}: {' '.join(words)}: {e}") from e
            checked += 1
    proof(
        f"runbooks: {lines} commands of {len(MARKED['run'])} blocks run on a real stack as printed,"
        f" with nothing but its folder set;"
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
        "scripts/deploy.sh --force",
        "kubectl -n netra-production exec deployment/netra-backend -- scripts/smoke-test.sh",
        "kubectl -n netra-production exec deployment/netra-backend -- curl localhost",
        "kubectl -n netra-production exec deployment/netra-backend -- python -m netra.nothing",
        "terraform -chdir=deploy/terraform/aws output -raw nothing",
        "docker compose --file compose/compose.yaml run --rm backup netra backup frobnicate",
        "docker compose --file compose/compose.yaml run --rm backup netra backup list --nothing",
        "docker compose --file compose/compose.yaml run --nothing backup netra backup list",
        "docker compose --file compose/compose.yaml stop nothing",
        "docker compose --file compose/compose.yaml --file compose/nothing.yaml ps",
        "docker compose --file compose/compose.yaml exec backend curl localhost",
        "kubectl -n netra-production describe cronjob/netra-backup-nothing",
        "kubectl -n netra-production logs -l netra/role=nothing",
        'export KEY="$(kubectl -n netra-production get secret netra-nothing)"',
    ],
)
def test_a_command_that_would_not_work_is_seen(line: str) -> None:
    block = Block("page", 1, "check", line)
    with pytest.raises(runbooks.Wrong):
        runbooks.check(runbooks.commands(block)[0])


def test_nothing_rolls_out_the_version_of_the_chart_or_its_example_domain() -> None:
    for block in BLOCKS:
        for words in runbooks.commands(block):
            if words[:2] == ["helm", "upgrade"]:
                assert any(word.startswith("image.tag=") for word in words), block
                assert "cloud-values.yaml" in words, block
            assert words[:2] != ["kubectl", "apply"], f"{block}: deploy/k8s names :0.1.0"
            if words[0] == "scripts/deploy.sh":
                assert {"--tag", "--values"} <= set(words), block


def test_the_schema_is_taken_back_by_the_hook_of_the_new_version() -> None:
    """What the page's `sed` makes of the Job that Helm keeps: another name, another command."""
    [line] = [
        line
        for block in BLOCKS
        for line in block.text.splitlines()
        if line.startswith("helm get hooks")
    ]
    edit = line.split(" | ")[1]
    hooks = environments()["production"].files["migrate.yaml"]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"TO=0008; {edit}"],
        input=hooks,
        capture_output=True,
        text=True,
        check=True,
    )
    account, job = [m for m in yaml.safe_load_all(done.stdout) if m]
    assert {m["metadata"]["name"] for m in (account, job)} == {"netra-migrate-back"}
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][:5] == ["python", "-m", "netra.store.migrate", "--to", "0008"]
    assert migrate._parser().parse_args(container["command"][3:]).to == "0008"


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
