"""What network policies mean: whether one endpoint may open a connection to another.

A connection needs both: the egress of where it begins and the ingress of where it ends. A pod that
no policy selects for a direction is open in it; one that is selected may do what any of its rules
allow (Kubernetes' documentation, "Network Policies").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Direction = Literal["Ingress", "Egress"]
Rule = dict[str, Any]

_KEYS = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Something with an address; a pod if it has a namespace."""

    name: str
    ip: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace_labels(self) -> dict[str, str]:
        """Kubernetes itself sets this one on every namespace."""
        return {"kubernetes.io/metadata.name": self.namespace} if self.namespace else {}


@dataclass(frozen=True, kw_only=True)
class Port:
    number: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.number}{'/udp' if self.protocol == 'UDP' else ''}"


class Policies:
    """The NetworkPolicy objects of a cluster."""

    def __init__(self, manifests: Sequence[dict[str, Any]]) -> None:
        self.policies = [m for m in manifests if m["kind"] == "NetworkPolicy"]

    def allows(self, source: Endpoint, target: Endpoint, port: Port) -> bool:
        """Whether `source` may open a connection to `port` of `target`."""
        return self._open(source, "Egress", target, port) and self._open(
            target, "Ingress", source, port
        )

    def rules(self, pod: Endpoint, direction: Direction) -> list[tuple[str, Rule]] | None:
        """The rules that hold for a pod, each with its policy's namespace; None: all is open."""
        if not pod.namespace:
            return None
        selecting = [p for p in self.policies if _selects(p, pod, direction)]
        if not selecting:
            return None
        key = _KEYS[direction][0]
        return [
            (p["metadata"]["namespace"], rule)
            for p in selecting
            for rule in p["spec"].get(key) or []
        ]

    def _open(self, pod: Endpoint, direction: Direction, other: Endpoint, port: Port) -> bool:
        rules = self.rules(pod, direction)
        if rules is None:
            return True
        peers = _KEYS[direction][1]
        return any(
            _has_port(rule, port)
            and (not rule.get(peers) or any(is_peer(p, other, space) for p in rule[peers]))
            for space, rule in rules
        )


def _selects(policy: dict[str, Any], pod: Endpoint, direction: Direction) -> bool:
    spec = policy["spec"]
    # Without policyTypes: ingress always, egress where there are rules of it.
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return (
        direction in types
        and policy["metadata"]["namespace"] == pod.namespace
        and matches(spec["podSelector"], pod.labels)
    )


def _has_port(rule: Rule, port: Port) -> bool:
    listed = rule.get("ports")
    return not listed or any(
        given.get("protocol", "TCP") == port.protocol
        and ("port" not in given or first(given) <= port.number <= last(given))
        for given in listed
    )


def first(given: dict[str, Any]) -> int:
    """The first port of a rule's entry.

    Raises:
        ValueError: it is named; names depend on the pod, and the chart has none.
    """
    if not isinstance(given["port"], int):
        raise ValueError(f"policies are to say ports by number, not {given['port']!r}")
    return given["port"]


def last(given: dict[str, Any]) -> int:
    return given.get("endPort", first(given))


def is_peer(peer: dict[str, Any], other: Endpoint, space: str) -> bool:
    """Whether a rule's peer, in a policy of the namespace `space`, is this endpoint."""
    if block := peer.get("ipBlock"):
        address = ip_address(other.ip)
        excluded = any(address in ip_network(e) for e in block.get("except", []))
        return address in ip_network(block["cidr"]) and not excluded
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        near = matches(peer["namespaceSelector"], other.namespace_labels)
    else:
        near = other.namespace == space
    return near and matches(peer.get("podSelector") or {}, other.labels)


def matches(selector: dict[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(e, labels) for e in selector.get("matchExpressions") or [])


def _expression(expression: dict[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"a label selector has no operator {other!r}")
