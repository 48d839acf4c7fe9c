"""Network policies: what the table of connections needs is open, and all else is closed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.deploy.chart import objects
from tests.deploy.chart.render import BACKUP, Case, Refused, render, values_of
from tests.deploy.conftest import Proof
from tests.deploy.network.policy import Endpoint, Policies, Port, is_peer, matches
from tests.deploy.network.topology import Topology, topology

CONSOLE = {"frontend": {"enabled": True}}
CASES = {
    "production": Case(environment="production"),
    "production with console": Case(environment="production", values=CONSOLE),
    "staging": Case(environment="staging"),
    "staging with console and gpu": Case(
        environment="staging", values={**CONSOLE, "workers": {"gpu": {"enabled": True}}}
    ),
    "production with backups": Case(
        environment="production",
        values={"backup": BACKUP},
    ),
    "dr": Case(environment="dr"),
}


@cache
def topologies() -> dict[str, Topology]:
    named: dict[str, Topology] = {}
    for (name, case), answer in zip(CASES.items(), render(list(CASES.values())), strict=True):
        assert not isinstance(answer, Refused), answer
        named[name] = topology(answer.manifests, values_of(case))
    return named


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", CASES)
def test_what_is_needed_is_open_and_all_else_is_closed(name: str) -> None:
    assert topologies()[name].differences() == []


@pytest.mark.timeout(240)
def test_the_table_is_held_against_every_pair(proof: Proof) -> None:
    pairs = sum(len(t.every) for t in topologies().values())
    needed = sum(len(t.needed) for t in topologies().values())
    assert needed > 100
    proof(
        f"network policies: {pairs:,} connections evaluated over {len(CASES)} renderings: the "
        f"{needed} that components need are open, every other is closed"
    )


def _without(policy: str, direction: str, port: int) -> Callable[[list[dict[str, Any]]], None]:
    """Drops the rules of a policy that open a port."""

    def mutate(manifests: list[dict[str, Any]]) -> None:
        spec = objects.find(manifests, "NetworkPolicy", policy)["spec"]
        kept = [r for r in spec[direction] if all(p["port"] != port for p in r["ports"])]
        assert len(kept) < len(spec[direction])
        spec[direction] = kept

    return mutate


def _no_policy(name: str) -> Callable[[list[dict[str, Any]]], None]:
    return lambda manifests: manifests.remove(objects.find(manifests, "NetworkPolicy", name))


def _more(policy: str, direction: str, rule: dict[str, Any]) -> Callable[..., None]:
    return lambda manifests: objects.find(manifests, "NetworkPolicy", policy)["spec"][
        direction
    ].append(rule)


#: What goes wrong in practice, and the difference that must be seen.
MUTATIONS: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "ClickHouse forgotten": (
        _without("netra-worker-cpu-policy", "egress", 8123),
        "worker-cpu -> clickhouse:8123 is closed and needed",
    ),
    "DNS forgotten": (
        _without("netra-backend-policy", "egress", 53),
        "backend -> dns:53/udp is closed and needed",
    ),
    "the store's own side forgotten": (
        _without("netra-postgresql-policy", "ingress", 5432),
        "scheduler -> postgresql:5432 is closed and needed",
    ),
    "metrics forgotten": (
        _without("netra-scheduler-policy", "ingress", 9100),
        "prometheus -> scheduler:9100 is closed and needed",
    ),
    "no policy of Flower's": (
        _no_policy("netra-flower-policy"),
        "flower -> redis:6379 is closed and needed",
    ),
    "no denial by default, and no policy": (
        lambda m: (_no_policy("netra-default-deny")(m), _no_policy("netra-flower-policy")(m)),
        "flower -> internet:443 is open and nobody needs it",
    ),
    "every namespace": (
        _more("netra-backend-policy", "ingress", {"from": [{"namespaceSelector": {}}]}),
        "stranger -> backend:8000 is open and nobody needs it",
    ),
    "the whole internet": (
        _more("netra-worker-cpu-policy", "egress", {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
        "worker-cpu -> metadata-service:443 is open and nobody needs it",
    ),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_in_a_policy_is_seen(name: str) -> None:
    mutate, expected = MUTATIONS[name]
    sound = topologies()["staging"]
    manifests = copy.deepcopy(sound.policies.policies)
    mutate(manifests)
    found = sound.differences(Policies(manifests))
    assert expected in found


def test_both_sides_must_allow() -> None:
    """Flower may now ask anybody of its namespace, and none of them answers it but Redis."""
    sound = topologies()["staging"]
    manifests = copy.deepcopy(sound.policies.policies)
    _more("netra-flower-policy", "egress", {"to": [{"podSelector": {}}]})(manifests)
    assert sound.differences(Policies(manifests)) == []


# --- the evaluator itself

POD = Endpoint(name="pod", ip="10.0.0.1", namespace="ours", labels={"app": "a", "tier": "x"})
OTHER = Endpoint(name="other", ip="10.0.0.2", namespace="theirs", labels={"app": "b"})


def _policy(**spec: Any) -> Policies:
    meta = {"name": "p", "namespace": "ours"}
    return Policies([{"kind": "NetworkPolicy", "metadata": meta, "spec": spec}])


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ({}, True),
        ({"matchLabels": {"app": "a"}}, True),
        ({"matchLabels": {"app": "b"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "c"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_label_selectors(selector: dict[str, Any], taken: bool) -> None:
    assert matches(selector, POD.labels) is taken


@pytest.mark.parametrize(
    ("peer", "is_one"),
    [
        # Without a namespace selector: the policy's own namespace.
        ({"podSelector": {}}, False),
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "b"}}}, True),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "a"}}}, False),
        ({"ipBlock": {"cidr": "10.0.0.0/24"}}, True),
        ({"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.0.2/32"]}}, False),
    ],
)
def test_peers(peer: dict[str, Any], is_one: bool) -> None:
    assert is_peer(peer, OTHER, "ours") is is_one


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        # Not selected: open.
        ({"podSelector": {"matchLabels": {"app": "z"}}, "ingress": []}, True),
        # Selected, without a rule: closed.
        ({"podSelector": {}, "policyTypes": ["Ingress"]}, False),
        # Without policyTypes an empty policy is of ingress alone.
        ({"podSelector": {}}, False),
        # A rule without peers or ports allows all.
        ({"podSelector": {}, "ingress": [{}]}, True),
        ({"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}, False),
        ({"podSelector": {}, "ingress": [{"ports": [{"port": 80, "endPort": 90}]}]}, True),
        ({"podSelector": {}, "ingress": [{"ports": [{"port": 85, "protocol": "UDP"}]}]}, False),
        # Of egress alone: it says nothing of ingress.
        ({"podSelector": {}, "policyTypes": ["Egress"]}, True),
    ],
)
def test_policies(spec: dict[str, Any], allowed: bool) -> None:
    assert _policy(**spec).allows(OTHER, POD, Port(number=85)) is allowed


def test_rules_of_several_policies_add_up() -> None:
    deny = {"podSelector": {}, "policyTypes": ["Ingress"]}
    allow = {"podSelector": {"matchLabels": {"app": "a"}}, "ingress": [{"ports": [{"port": 85}]}]}
    both = Policies(_policy(**deny).policies + _policy(**allow).policies)
    assert both.allows(OTHER, POD, Port(number=85))
    assert not both.allows(OTHER, POD, Port(number=86))
