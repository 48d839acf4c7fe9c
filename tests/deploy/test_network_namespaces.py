"""The rendered network policies, enforced: nftables rules between network namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.chart.render import Case, render_one, values_of
from tests.deploy.conftest import Proof
from tests.deploy.network import nft
from tests.deploy.network.namespaces import Network
from tests.deploy.network.policy import Port
from tests.deploy.network.topology import Connection, Topology, topology

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

HERE = Path(__file__).parent / "network"


@pytest.fixture(scope="module")
def cluster() -> Topology:
    """Everything in the cluster, the console and a GPU worker included."""
    case = Case(
        environment="staging",
        values={"frontend": {"enabled": True}, "workers": {"gpu": {"enabled": True}}},
    )
    return topology(render_one(case).manifests, values_of(case))


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
    open_before = tried(network, all_tried)
    assert all(open_before.values()), "without rules everybody reaches everybody"

    for endpoint in cluster.endpoints.values():
        rules = nft.ruleset(endpoint, list(cluster.endpoints.values()), cluster.policies)
        network.load(endpoint.name, rules)
    seen = tried(network, all_tried)

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
