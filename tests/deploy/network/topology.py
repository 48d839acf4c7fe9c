"""The endpoints of a rendered chart and what is around it, and the table of their connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import count
from typing import Any

import yaml

from tests.deploy.chart import objects
from tests.deploy.network.policy import Endpoint, Policies, Port
from tests.deploy.tools import ROOT

TABLE = ROOT / "deploy" / "connections.yaml"
STORES = ("postgresql", "redis", "clickhouse")
#: Who stands outside of Netra's namespace, by their keys in the chart's values.
_OUTSIDERS = {
    "ingress-controller": "ingressController",
    "prometheus": "prometheus",
    "keda": "keda",
    "dns": "dns",
}
#: Stores outside of the cluster are one endpoint: a policy knows their subnets and ports, and not
#: which server has which address.
MANAGED = "managed-stores"
_PUBLIC = "203.0.113.10"

Connection = tuple[str, str, Port]


@dataclass(frozen=True)
class Topology:
    endpoints: dict[str, Endpoint]
    policies: Policies
    needed: frozenset[Connection]

    def ports(self, name: str) -> list[Port]:
        """Where an endpoint is listened to in all, by the table."""
        found = {port for _, target, port in self.needed if target == name}
        return sorted(found, key=str)

    @property
    def every(self) -> list[Connection]:
        """Every pair of endpoints with every port that any of them listens to."""
        ports = sorted({port for _, _, port in self.needed} | {Port(number=443)}, key=str)
        return [
            (source, target, port)
            for source in self.endpoints
            for target in self.endpoints
            for port in ports
            if source != target
        ]

    def differences(self, policies: Policies | None = None) -> list[str]:
        """Where the policies and the table disagree, in words."""
        judge = policies or self.policies
        found: list[str] = []
        for source, target, port in self.every:
            if not self._is_ours(source) and not self._is_ours(target):
                continue  # not this chart's to rule
            allowed = judge.allows(self.endpoints[source], self.endpoints[target], port)
            needed = (source, target, port) in self.needed
            if allowed != needed:
                word = "is open and nobody needs it" if allowed else "is closed and needed"
                found.append(f"{source} -> {target}:{port} {word}")
        return found

    @property
    def needed_by_ours(self) -> list[str]:
        """The components of Netra's own namespace that begin connections."""
        return sorted({source for source, _, _ in self.needed if self._is_ours(source)})

    def _is_ours(self, name: str) -> bool:
        return self.endpoints[name].namespace == self.endpoints["backend"].namespace


def topology(manifests: Sequence[dict[str, Any]], values: dict[str, Any]) -> Topology:
    """
    Args:
        manifests: the chart as rendered.
        values: its values, for who is outside.
    """
    addresses = (f"10.77.0.{n}" for n in count(2))
    namespace = manifests[0]["metadata"]["namespace"]
    endpoints: dict[str, Endpoint] = {}
    for _, template in objects.templates(manifests):
        labels = template["metadata"]["labels"]
        name = labels["app.kubernetes.io/component"]
        if name not in endpoints:
            endpoints[name] = Endpoint(
                name=name, ip=next(addresses), namespace=namespace, labels=labels
            )
    solver = {"acme.cert-manager.io/http01-solver": "true"}
    endpoints["acme-solver"] = Endpoint(
        name="acme-solver", ip=next(addresses), namespace=namespace, labels=solver
    )
    for name, key in _OUTSIDERS.items():
        outsider = values["networkPolicy"][key]
        endpoints[name] = Endpoint(
            name=name,
            ip=next(addresses),
            namespace=outsider["namespace"],
            labels=outsider["labels"],
        )
    # A pod of somebody else's, one that lies about its labels, one beside Prometheus.
    backend = endpoints["backend"].labels
    for name, space, labels in (
        ("stranger", "elsewhere", {"app": "stranger"}),
        ("impostor", "elsewhere", backend),
        ("neighbour", values["networkPolicy"]["prometheus"]["namespace"], {"app": "grafana"}),
    ):
        endpoints[name] = Endpoint(name=name, ip=next(addresses), namespace=space, labels=labels)
    if not all(values[store]["inCluster"] for store in STORES):
        subnet = ip_network(values["networkPolicy"]["storeCidrs"][0])
        endpoints[MANAGED] = Endpoint(name=MANAGED, ip=str(subnet[10]))
    endpoints["internet"] = Endpoint(name="internet", ip=_PUBLIC)
    endpoints["metadata-service"] = Endpoint(name="metadata-service", ip="169.254.169.254")
    return Topology(endpoints, Policies(manifests), _needed(endpoints))


def _needed(endpoints: dict[str, Endpoint]) -> frozenset[Connection]:
    """The table's rows of those that are there."""
    ours = endpoints["backend"].namespace
    table: dict[str, dict[str, list[str | int]]] = yaml.safe_load(TABLE.read_text())
    needed: set[Connection] = set()
    for source, targets in table.items():
        for named, ports in targets.items():
            managed = named in STORES and named not in endpoints
            # KEDA's way to a managed store begins and ends outside of this chart.
            if managed and endpoints.get(source, endpoints[MANAGED]).namespace != ours:
                continue
            target = MANAGED if managed else named
            if source in endpoints and target in endpoints:
                needed |= {(source, target, _port(port)) for port in ports}
    return frozenset(needed)


def _port(text: str | int) -> Port:
    number, _, protocol = str(text).partition("/")
    return Port(number=int(number), protocol=protocol.upper() or "TCP")
