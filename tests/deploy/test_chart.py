"""The chart: what Helm makes of it is valid, restricted, and exactly what was asked for."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from netra import settings as settings_module
from netra.embedded import processes
from netra.settings import Settings
from netra.settings_sources import CLIENT_VARIABLES, READ_ELSEWHERE
from tests.deploy.chart import objects, restricted
from tests.deploy.chart.render import (
    CHART,
    ENVIRONMENTS,
    NAMESPACE,
    PLAIN,
    Case,
    Manifest,
    Refused,
    environments,
    plain,
    render,
)
from tests.deploy.conftest import Proof
from tests.deploy.tools import ROOT, environment, tool

ALL = (*ENVIRONMENTS, "console", "backups")


def of(name: str) -> list[Manifest]:
    return copy.deepcopy(environments()[name].manifests)


def schema_problems(manifests: list[Manifest]) -> list[list[str]]:
    done = subprocess.run(
        [
            str(environment("kubernetes-validate") / "python"),
            str(Path(restricted.__file__).with_name("schemas.py")),
        ],
        input=json.dumps(manifests),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.timeout(300)
def test_helm_lints_and_renders_every_environment(proof: Proof) -> None:
    for name in ALL:
        lint = environments()[name].lint
        # 1 is information; an icon is none of a server's concerns.
        assert [m for m in lint["messages"] if m["severity"] > 1] == [], name
        assert not lint["errors"], name
        sent = {
            (m["kind"], m["metadata"]["name"])
            for m in yaml.safe_load_all(environments()[name].installed)
            if m
        }
        hooks = {("Job", "netra-migrate"), ("ServiceAccount", "netra-migrate")}
        assert sent == {(m["kind"], m["metadata"]["name"]) for m in of(name)} - hooks, name
    counts = {name: len(of(name)) for name in ALL}
    said = ", ".join(f"{name} {count}" for name, count in counts.items())
    proof(
        f"chart: Helm 4.2 lints (strict), renders and dry-runs every values file; objects: {said}"
    )


@pytest.mark.timeout(300)
def test_every_object_is_valid_for_kubernetes_and_keda(proof: Proof) -> None:
    manifests = [m for name in ALL for m in of(name)]
    found = [
        (m["kind"], m["metadata"]["name"], p)
        for m, p in zip(manifests, schema_problems(manifests), strict=True)
        if p
    ]
    assert found == []
    keda = [m for m in manifests if m["apiVersion"].startswith("keda.sh")]
    assert {m["kind"] for m in keda} == {"ScaledObject", "TriggerAuthentication"}

    broken = [copy.deepcopy(objects.find(manifests[:60], "Deployment", "netra-scheduler"))]
    broken[0]["spec"]["template"]["spec"]["containers"][0]["readines"] = {}
    broken += [
        copy.deepcopy(objects.find(of("production"), "ScaledObject", "netra-worker-cpu"))
        for _ in range(2)
    ]
    broken[1]["spec"]["maxReplicas"] = 3
    del broken[2]["spec"]["triggers"][0]["type"]
    assert all(schema_problems(broken)), "a misspelt or a missing field is found"
    proof(
        f"chart: {len(manifests) - len(keda)} objects valid for Kubernetes 1.37 (strict), "
        f"{len(keda)} for KEDA's CRDs; a misspelt field in either is found"
    )


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "HostProcess": lambda s: s["securityContext"].update(windowsOptions={"hostProcess": True}),
    "Host Namespaces": lambda s: s.update(hostPID=True),
    "Privileged Containers": lambda s: s["containers"][0]["securityContext"].update(
        privileged=True
    ),
    "HostPath Volumes": lambda s: s["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
    "Host Ports": lambda s: s["containers"][0]["ports"][0].update(hostPort=80),
    "Host Probes / Lifecycle Hooks": lambda s: s["containers"][0]["livenessProbe"][
        "httpGet"
    ].update(host="x"),
    "AppArmor": lambda s: s["securityContext"].update(appArmorProfile={"type": "Unconfined"}),
    "SELinux": lambda s: s["securityContext"].update(seLinuxOptions={"user": "root"}),
    "/proc Mount Type": lambda s: s["containers"][0]["securityContext"].update(
        procMount="Unmasked"
    ),
    "Sysctls": lambda s: s["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]),
    "Volume Types": lambda s: s["volumes"].append({"name": "n", "nfs": {"path": "/"}}),
    "Privilege Escalation": lambda s: s["containers"][0]["securityContext"].pop(
        "allowPrivilegeEscalation"
    ),
    "Running as Non-root": lambda s: s["securityContext"].pop("runAsNonRoot"),
    "Running as Non-root user": lambda s: s["containers"][0]["securityContext"].update(runAsUser=0),
    "Seccomp": lambda s: s["securityContext"].pop("seccompProfile"),
    "Capabilities": lambda s: s["containers"][0]["securityContext"]["capabilities"].update(
        add=["NET_RAW"]
    ),
}


def test_every_pod_keeps_the_restricted_standard(proof: Proof) -> None:
    pods = 0
    for name in ALL:
        for owner, spec in objects.specs(of(name)):
            assert restricted.broken(spec) == [], (name, owner)
            assert spec["automountServiceAccountToken"] is False
            for _, container in restricted.containers(spec):
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["resources"].keys() == {"requests", "limits"}
            pods += 1
    proof(
        f"chart: {pods} pods keep all {len(restricted.CONTROLS)} controls of pod security "
        "'restricted', on read-only roots; each control refuses a pod that breaks it"
    )


@pytest.mark.parametrize("control", restricted.CONTROLS)
def test_each_control_refuses_a_pod_that_breaks_it(control: str) -> None:
    spec = dict(objects.specs(of("production")))["netra-backend"]
    BREAKS[control](spec)
    assert [b for b in restricted.broken(spec) if b.startswith(f"{control}: ")]


def test_the_namespace_enforces_the_standard() -> None:
    [namespace] = yaml.safe_load_all((PLAIN / "namespace.yaml").read_text())
    assert namespace["metadata"]["name"] == NAMESPACE == "netra-production"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.timeout(300)
def test_deploy_k8s_is_what_the_chart_renders(proof: Proof) -> None:
    written = {path.name: path.read_text() for path in PLAIN.glob("*.yaml")}
    assert written == plain(), "deploy/k8s differs from the chart: make k8s"
    done = subprocess.run(
        [tool("kubectl"), "kustomize", str(PLAIN)], capture_output=True, text=True, check=True
    )
    built = [m for m in yaml.safe_load_all(done.stdout) if m]
    names = {(m["kind"], m["metadata"]["name"]) for m in built}
    rendered = {(m["kind"], m["metadata"]["name"]) for m in of("production")}
    assert names == rendered | {("Namespace", NAMESPACE)}
    assert schema_problems(built) == [[]] * len(built)
    proof(
        f"deploy/k8s: equal to the chart's rendering; kubectl kustomize builds {len(built)} objects"
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"backend": {"replica": 3}}, "additional properties 'replica' not allowed"),
    "unknown group": ({"postgres": {}}, "additional properties 'postgres' not allowed"),
    "wrong type": ({"backend": {"replicas": "three"}}, "/backend/replicas"),
    "moving tag": ({"image": {"tag": "latest"}}, "/image/tag"),
    "unknown environment": ({"environment": "prod"}, "/environment"),
    "a URL for a domain": ({"domain": "https://netra.example.com"}, "/domain"),
    "root": ({"podSecurity": {"userId": 0}}, "/podSecurity/userId"),
    "a secret in settings": ({"settings": {"NETRA_DATABASE_URL": "x"}}, "NETRA_DATABASE_URL"),
    "no setting": ({"settings": {"PYTHONPATH": "x"}}, "PYTHONPATH"),
    "not an amount": ({"redis": {"storage": "ten"}}, "/redis/storage"),
    "not a range": ({"networkPolicy": {"storeCidrs": ["10.0.1.0"]}}, "/networkPolicy/storeCidrs/0"),
    "stages over the limit": (
        {"workers": {"cpu": {"concurrency": 4}}},
        "12800 Mi, over resources.limits.memory 8Gi",
    ),
    "min over max": ({"backend": {"autoscaling": {"min": 30}}}, "min 30 is over max 20"),
    "backups of a ClickHouse without a folder": (
        {"backup": {"enabled": True, "url": "s3://bucket/netra"}},
        "of backup.schedule needs the folder that ClickHouse's server writes",
    ),
    "memory of Redis": ({"redis": {"maxmemory": "16gb"}}, "maxmemory 16gb is over"),
}


@pytest.mark.timeout(300)
def test_bad_values_are_refused_with_what_and_where() -> None:
    cases = [Case(values=values) for values, _ in REFUSED.values()]
    for (name, (_, expected)), answer in zip(REFUSED.items(), render(cases), strict=True):
        assert isinstance(answer, Refused), name
        assert expected in str(answer), name


def test_the_schema_leaves_no_object_open() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    # Maps whose keys are the user's own: labels, annotations, a server's settings.
    free = {"nodeSelector", "labels", "settings", "global"}

    def look(part: Any, name: str) -> None:
        if isinstance(part, list):
            for inner in part:
                look(inner, name)
        elif isinstance(part, dict):
            if part.get("type") == "object" and name not in free and "nnotations" not in name:
                assert part["additionalProperties"] is False, name
                optional = (
                    {"nvidia.com/gpu", "requests"} if name in ("amounts", "scaling") else set()
                )
                if name != "toleration":
                    assert set(part["properties"]) - optional - {"global"} == set(
                        part["required"]
                    ), name
            for key, inner in part.items():
                look(inner, name if key in ("properties", "$defs") else key)

    look(schema, "values")


def test_every_variable_is_a_setting_that_netra_reads(proof: Proof) -> None:
    known = {
        f"NETRA_{group.upper()}_{key.upper()}"
        for group in Settings.__struct_fields__
        if group != "environment"
        for key in type(getattr(Settings(), group)).__struct_fields__
    }
    seen: set[str] = set()
    for name in ALL:
        given = objects.variables(of(name))
        ours = {v for v in given if v.startswith("NETRA_")} - set(CLIENT_VARIABLES)
        seen |= ours
        for variable in ours - known:
            assert variable in (ROOT / READ_ELSEWHERE[variable]).read_text(), variable
        assert {"DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL", "JWT_SECRET_KEY"} <= set(given)

        plain_values = {k: v for k, v in given.items() if v is not None}
        read = settings_module.load(plain_values)
        assert read.environment == {"console": "production", "backups": "staging"}.get(name, name)
        assert read.api.host == "0.0.0.0"
        assert read.logging.format == "json"
        # The ports that pods say and policies open.
        assert (read.api.port, read.metrics.port) == (8000, 9100)
        assert read.metrics.host == "0.0.0.0"
        assert read.api.allowed_origins[0].startswith("https://app.")
        assert "10.0.0.0/8" in read.api.trusted_proxies
    proof(
        f"chart: {len(seen)} variables by the names that Netra reads, loaded as its processes load"
        f" them, in {len(ALL)} renderings"
    )


def test_secrets_are_only_named() -> None:
    secret = re.compile(r"URL$|SECRET|PASSWORD|TOKEN|API_KEY|_USER$")
    public = {
        "NEXT_PUBLIC_API_URL",
        "NEXT_PUBLIC_WS_URL",
        "NETRA_API_URL",
        "NETRA_BACKUP_URL",
        "POSTGRES_USER",
        "CLICKHOUSE_USER",
    }
    for name in ALL:
        assert objects.kinds(of(name), "Secret") == []
        for variable, value in objects.variables(of(name)).items():
            if secret.search(variable) and variable not in public:
                assert value is None, f"{variable} has a value in {name}"
    keys = {
        e["valueFrom"]["secretKeyRef"]["key"]
        for _, spec in objects.specs(of("production"))
        for e in spec["containers"][0]["env"]
        if e.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "netra-secrets"
    }
    assert keys == {
        "database-url", "redis-url", "clickhouse-url", "jwt-secret", "bootstrap-api-key",
    }  # fmt: skip


def test_pods_run_the_commands_of_the_embedded_stack(proof: Proof) -> None:
    """The one-machine stack starts its processes by the same command lines."""
    tree = ast.parse(inspect.getsource(processes))
    started = {
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    commands = {
        name: spec["containers"][0]["command"] for name, spec in objects.specs(of("production"))
    }
    assert commands.keys() == {
        "netra-backend",
        "netra-worker-cpu",
        "netra-worker-gpu",
        "netra-scheduler",
        "netra-flower",
        "netra-migrate",
    }
    for name, (python, dash, module, *_) in commands.items():
        assert (python, dash) == ("python", "-m")
        assert module in started, f"{name} runs {module}, which the embedded stack does not"
    proof(f"chart: {len(commands)} pods run the modules that the embedded stack starts")
