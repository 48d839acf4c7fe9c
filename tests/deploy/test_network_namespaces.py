"""The rendered network policies, enforced: nftables rules between network namespaces."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.conftest import temporary_home
from tests.deploy.chart import objects
from tests.deploy.chart.render import Case, Manifest, render_one, values_of
from tests.deploy.conftest import Proof
from tests.deploy.network import nft
from tests.deploy.network.namespaces import Network
from tests.deploy.network.policy import Policies, Port
from tests.deploy.network.stack import Stack
from tests.deploy.network.topology import Connection, Topology, topology
from tests.waiting import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

HERE = Path(__file__).parent / "network"


#: Everything in the cluster, the console and a GPU worker included.
CASE = Case(
    environment="staging",
    values={"frontend": {"enabled": True}, "workers": {"gpu": {"enabled": True}}},
)


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return render_one(CASE).manifests


@pytest.fixture(scope="module")
def cluster(manifests: list[Manifest]) -> Topology:
    return topology(manifests, values_of(CASE))


@pytest.fixture
def network(cluster: Topology) -> Iterator[Network]:
    hosts = {f"netra-{name}": e.ip for name, e in cluster.endpoints.items()}
    endpoints = list(cluster.endpoints.values())
    with Network(endpoints, hosts, cluster.endpoints["dns"].ip) as made:
        yield made


def listen(network: Network, name: str, ports: list[int], *, dns: bool = False) -> None:
    """Takes connections at an endpoint, and returns when it does."""
    address = network.endpoints[name].ip
    asked = {"address": address, "tcp": ports, "names": network.hosts if dns else None}
    read, write = os.pipe()
    with os.fdopen(read, "rb") as told, os.fdopen(write, "wb") as log:
        network.start(name, [sys.executable, str(HERE / "listen.py"), json.dumps(asked)], log=log)
        log.close()
        assert told.readline() == b"ready\n", told.read().decode()


def tried(network: Network, connections: list[Connection]) -> dict[Connection, bool]:
    """Tries every connection from the namespace where it begins."""
    by_source: dict[str, list[Connection]] = defaultdict(list)
    for connection in connections:
        by_source[connection[0]].append(connection)
    running = {}
    for source, asked in by_source.items():
        targets = [[network.endpoints[t].ip, p.number, p.protocol] for _, t, p in asked]
        command = [sys.executable, "-S", str(HERE / "probe.py"), json.dumps(targets)]
        running[source] = subprocess.Popen(
            network.command(source, command), stdout=subprocess.PIPE, text=True
        )
    answers: dict[Connection, bool] = {}
    for source, process in running.items():
        out, _ = process.communicate(timeout=60)
        answers |= dict(zip(by_source[source], json.loads(out), strict=True))
    return answers


def tried_patiently(
    network: Network, connections: list[Connection], needed: Collection[Connection]
) -> dict[Connection, bool]:
    """As `tried`; what is needed and was not answered in time by a busy machine is tried again."""
    seen = tried(network, connections)
    for _ in range(3):
        missing = [c for c in connections if c in needed and not seen[c]]
        if not missing:
            break
        seen |= tried(network, missing)
    return seen


@pytest.mark.timeout(240)
def test_the_rules_hold_between_namespaces(
    cluster: Topology, network: Network, proof: Proof
) -> None:
    """Every pair and port is tried for real, before the rules are loaded and after."""
    ports = sorted({p.number for _, _, p in cluster.needed} | {443})
    for name in cluster.endpoints:
        listen(network, name, ports, dns=name == "dns")
    # Only where a server answers over UDP can silence be told from refusal.
    udp = Port(number=53, protocol="UDP")
    all_tried = [c for c in cluster.every if c[2] != udp or c[1] == "dns"]
    open_before = tried_patiently(network, all_tried, all_tried)
    assert all(open_before.values()), "without rules everybody reaches everybody"

    apply(network, cluster)
    seen = tried_patiently(network, all_tried, cluster.needed)

    ours = cluster.endpoints["backend"].namespace
    ruled = {c for c in all_tried if ours in (cluster.endpoints[n].namespace for n in c[:2])}
    wrong = [
        f"{s} -> {t}:{p}" for s, t, p in ruled if seen[s, t, p] != ((s, t, p) in cluster.needed)
    ]
    assert wrong == []
    assert not any(seen[c] for c in ruled if c[1] in ("internet", "metadata-service"))
    needed = sum((c in cluster.needed) for c in ruled)
    proof(
        f"network policies as nftables between {len(cluster.endpoints)} namespaces: of "
        f"{len(ruled):,} connections tried the {needed} needed came about, the others timed out"
    )


def apply(network: Network, cluster: Topology, policies: Policies | None = None) -> None:
    """Loads the policies' rules into every namespace."""
    endpoints = list(cluster.endpoints.values())
    for endpoint in endpoints:
        network.load(endpoint.name, nft.ruleset(endpoint, endpoints, policies or cluster.policies))


@pytest.fixture
def deployed(cluster: Topology, network: Network, manifests: list[Manifest]) -> Iterator[Stack]:
    """The stack, behind the rules from the first packet on."""
    with temporary_home() as home:
        stack = Stack(network, manifests, home)
        apply(network, cluster)
        listen(network, "dns", [53], dns=True)
        listen(network, "internet", [443])
        stack.start_stores()
        answering = {("migrate", "postgresql", Port(number=5432))}
        answering |= {("migrate", "clickhouse", Port(number=8123))}
        answering |= {("backend", "redis", Port(number=6379))}
        until(
            lambda: all(tried(network, list(answering)).values()),
            lambda: "\n".join(stack.log(name) for name in ("postgresql", "redis", "clickhouse")),
        )
        stack.migrate()
        stack.start("backend", "scheduler", "worker-cpu", "flower")
        try:
            yield stack
        finally:
            for process in reversed(stack.processes.values()):
                network.stop(process)


def _forgetting_clickhouse(cluster: Topology) -> Policies:
    manifests = copy.deepcopy(cluster.policies.policies)
    spec = objects.find(manifests, "NetworkPolicy", "netra-worker-cpu-policy")["spec"]
    spec["egress"] = [r for r in spec["egress"] if r["ports"][0]["port"] != 8123]
    return Policies(manifests)


@pytest.mark.timeout(300)
def test_the_stack_works_under_the_rules(
    cluster: Topology, network: Network, deployed: Stack, proof: Proof
) -> None:
    backend = "http://netra-backend:8000"
    until(
        lambda: deployed.get("ingress-controller", f"{backend}/health/ready")[0] == 200,
        lambda: deployed.log("backend"),
    )
    # It writes a table to ClickHouse: all three stores take part.
    done = deployed.job(within_s=60, table_rows=10)
    assert done["state"] == "succeeded", deployed.log("worker-cpu")

    for name in ("backend", "worker-cpu", "scheduler"):
        status, text = deployed.get("prometheus", f"http://netra-{name}:9100/metrics")
        assert (status, "# HELP" in text) == (200, True), name
    # Flower has started, and so reached the broker; nobody reaches it.
    until(lambda: _listens(network, "flower", 5555), lambda: deployed.log("flower"))
    forbidden = [
        ("flower", "postgresql", Port(number=5432)),
        ("flower", "backend", Port(number=8000)),
        ("worker-cpu", "backend", Port(number=8000)),
        ("scheduler", "backend", Port(number=8000)),
        ("frontend", "postgresql", Port(number=5432)),
        ("frontend", "redis", Port(number=6379)),
        ("stranger", "backend", Port(number=8000)),
        ("impostor", "postgresql", Port(number=5432)),
        ("ingress-controller", "flower", Port(number=5555)),
        ("ingress-controller", "backend", Port(number=9100)),
        ("neighbour", "backend", Port(number=9100)),
        *((name, "internet", Port(number=443)) for name in cluster.needed_by_ours),
    ]
    assert not any(tried(network, forbidden).values())
    assert tried(network, [("stranger", "internet", Port(number=443))]) == {
        ("stranger", "internet", Port(number=443)): True
    }, "whom no policy selects reaches it"

    # The mistake of forgetting ClickHouse, made for real: nothing ends, and nothing is lost. Open
    # connections outlive a change of rules, so the worker is a new one.
    apply(network, cluster, _forgetting_clickhouse(cluster))
    network.stop(deployed.processes["worker-cpu"])
    deployed.start("worker-cpu")
    stuck = deployed.job(within_s=8, table_rows=10)
    assert stuck["state"] == ""
    apply(network, cluster)
    mended = deployed.job(within_s=90, job=stuck["job"])
    assert mended["state"] == "succeeded", deployed.log("worker-cpu")
    proof(
        "the stack under these rules, by the pods' own commands and settings: jobs from the ingress"
        f" succeed, metrics are scraped, {len(forbidden)} forbidden connections to living servers"
        " time out; without the ClickHouse rule a job waits, with it again the same job succeeds"
    )


def _listens(network: Network, name: str, port: int) -> bool:
    """Whether somebody listens there, asked from within."""
    return tried(network, [(name, name, Port(number=port))])[name, name, Port(number=port)]
