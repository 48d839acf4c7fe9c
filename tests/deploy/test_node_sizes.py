"""Every pod's request fits a node that Terraform makes, and what must run fits the pool."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.deploy.chart import objects
from tests.deploy.chart.render import Case, Manifest, render_one
from tests.deploy.conftest import Proof
from tests.deploy.terraform import format as fmt
from tests.deploy.terraform.check import Folder, items, load

#: Processors and GiB, as the clouds' pages of machine types have them.
MACHINES = {
    "t3.large": (2, 8),
    "c5.2xlarge": (8, 16),
    "g6.xlarge": (4, 16),
    "n2-standard-4": (4, 16),
    "n2-highmem-8": (8, 64),
    "g2-standard-4": (4, 16),
    "Standard_D4s_v5": (4, 16),
    "Standard_E8s_v5": (8, 64),
    "Standard_NC4as_T4_v3": (4, 28),
}
#: What a node's own pods take: network, disks, DNS, logs, metrics.
SYSTEM_CPU, SYSTEM_GIB = 0.3, 0.5
WHERE = [(cloud, env) for env in ("staging", "production") for cloud in ("aws", "gcp", "azure")]

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, kw_only=True)
class Pool:
    machine: str
    most: int
    cpu: float
    gib: float


def allocatable(machine: str) -> tuple[float, float]:
    """Processors and GiB that pods may ask for on one node.

    The most that any of the three clouds keeps back: of processors AKS's table (EKS and GKE take
    less), of memory GKE's shares of the first 4, next 4, next 8 and further GiB with AKS's 750 MiB
    before eviction (EKS takes 255 MiB and 11 a pod). Sources: "Plan GKE Standard node sizes"; "AKS
    node resource reservations"; EKS's bootstrap of AL2023.
    """
    cpus, gib = MACHINES[machine]
    kept_cpu = {2: 0.1, 4: 0.14, 8: 0.18}[cpus]
    steps = ((4, 0.25), (4, 0.2), (8, 0.1), (112, 0.06))
    kept, left = 0.75, float(gib)
    for width, share in steps:
        kept += min(left, width) * share
        left -= min(left, width)
    return cpus - kept_cpu - SYSTEM_CPU, gib - kept - SYSTEM_GIB


@cache
def cloud(name: str) -> Folder:
    return load(fmt.TERRAFORM / name)


def nodes(name: str, environment: str, group: str) -> dict[str, Any]:
    given = dict(items(cloud(name).values[f"environments/{environment}.tfvars"]))
    return dict(items(given.get(group) or cloud(name).variables[group]["default"]))


def pool(name: str, environment: str, group: str) -> Pool:
    found = nodes(name, environment, group)
    named = found.get("instance_types") or found.get("machine_type") or found.get("vm_size")
    machine = (named[0] if isinstance(named, list) else named).strip('"')
    cpu, gib = allocatable(machine)
    return Pool(machine=machine, most=found.get("max") or found["count"], cpu=cpu, gib=gib)


def manifests(name: str, environment: str) -> list[Manifest]:
    """The chart with what the cloud decides of it (`helm_values`)."""
    said = cloud(name).outputs["helm_values"]["value"]
    values: dict[str, Any] = {}
    for store in ("postgresql", "redis", "clickhouse"):
        found = re.search(rf"{store}\s*=\s*\{{([^}}]*)\}}", said)
        assert found, store
        values[store] = {
            k: v == "true" for k, v in re.findall(r"(inCluster|ownNodes)\s*=\s*(\w+)", found[1])
        }
    return render_one(Case(environment=environment, values=values)).manifests


def cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def requests(spec: dict[str, Any]) -> tuple[float, float]:
    """Of one pod: init containers run before the others, so the larger counts."""
    asked = [c["resources"]["requests"] for c in spec["containers"]]
    cpu, memory = (
        sum(cores(r["cpu"]) for r in asked),
        sum(objects.memory_bytes(r["memory"]) for r in asked),
    )
    for first in (c["resources"]["requests"] for c in spec.get("initContainers", [])):
        cpu = max(cpu, cores(first["cpu"]))
        memory = max(memory, objects.memory_bytes(first["memory"]))
    return cpu, memory / (1 << 30)


def group(spec: dict[str, Any]) -> str:
    """The node group that a pod goes to."""
    chosen = spec.get("nodeSelector", {})
    if "netra/stores" in chosen:
        return "store_nodes"
    return "gpu_nodes" if chosen else "cpu_nodes"


def least(found: list[Manifest]) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Every pod's spec, and how many of it are there when it begins."""
    scaled = {
        m["metadata"]["name"]: m["spec"]["minReplicaCount"]
        for m in objects.kinds(found, "ScaledObject")
    }
    for m in found:
        if m["kind"] in ("Deployment", "StatefulSet"):
            name = m["metadata"]["name"]
            count = scaled.get(name, m["spec"].get("replicas", 1))
            yield name, m["spec"]["template"]["spec"], count
    for job in objects.kinds(found, "Job"):
        yield job["metadata"]["name"], job["spec"]["template"]["spec"], 1


@pytest.mark.parametrize(("name", "environment"), WHERE)
def test_every_pod_fits_a_node_and_all_fit_the_pool(name: str, environment: str) -> None:
    used: dict[str, list[float]] = {}
    for pod, spec, count in least(manifests(name, environment)):
        there = pool(name, environment, group(spec))
        cpu, gib = requests(spec)
        assert (cpu <= there.cpu, gib <= there.gib) == (True, True), (
            f"{pod} asks for {cpu} CPU and {gib} GiB; a {there.machine} has"
            f" {there.cpu:.2f} and {there.gib:.2f}"
        )
        sums = used.setdefault(group(spec), [0.0, 0.0])
        sums[0] += cpu * count
        sums[1] += gib * count
    for which, (cpu, gib) in used.items():
        there = pool(name, environment, which)
        # Pods do not fill nodes to the brim.
        assert cpu <= 0.8 * there.most * there.cpu, (which, cpu, there)
        assert which == "store_nodes" or gib <= 0.8 * there.most * there.gib, (which, gib, there)


def test_a_pod_that_fits_nowhere_is_seen(proof: Proof) -> None:
    """What there was: ClickHouse among the other pods of n2-standard-4, a worker on a t3.large."""
    small = pool("gcp", "production", "cpu_nodes")
    [clickhouse] = [
        spec for pod, spec, _ in least(manifests("gcp", "production")) if pod == "netra-clickhouse"
    ]
    assert requests(clickhouse)[0] > small.cpu
    assert requests(clickhouse)[1] > small.gib
    production = dict(objects.specs(manifests("aws", "production")))
    assert requests(production["netra-worker-cpu"])[0] > pool("aws", "staging", "cpu_nodes").cpu
    proof(
        f"node sizes: every pod of {len(WHERE)} environments fits a node of its pool, less what"
        " clouds and system pods keep, and what begins fits the pools' largest sizes"
    )


def test_stores_of_their_own_nodes_are_selected_and_tolerated() -> None:
    for name in ("gcp", "azure"):
        text = (fmt.TERRAFORM / name / "cluster.tf").read_text()
        assert '{ "netra/stores" = "true" }' in text
        spec = dict(objects.specs(manifests(name, "production")))["netra-clickhouse"]
        assert spec["nodeSelector"] == {"netra/stores": "true"}
        assert [t["key"] for t in spec["tolerations"]] == ["netra/stores"]
