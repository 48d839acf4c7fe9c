"""Network policies as nftables rules: for each pod the two chains of its own namespace.

What a CNI plugin does at a pod's interface: replies pass, everything that begins is dropped unless
a rule of the pod's policies takes it. Labels are resolved to the addresses of the pods that carry
them, address blocks stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.deploy.network.policy import Direction, Endpoint, Policies, first, is_peer, last

_HOOKS: dict[Direction, tuple[str, str]] = {
    "Ingress": ("input", "saddr"),
    "Egress": ("output", "daddr"),
}


def ruleset(pod: Endpoint, endpoints: Sequence[Endpoint], policies: Policies) -> str:
    """The rules to load in a pod's namespace; no chain for a direction that is open."""
    chains: list[str] = []
    for direction, (hook, _) in _HOOKS.items():
        rules = policies.rules(pod, direction)
        if rules is None:
            continue
        lines = [
            line for space, rule in rules for line in _lines(direction, rule, space, endpoints)
        ]
        chains.append(_chain(hook, lines))
    return "flush ruleset\ntable inet policies {\n" + "\n".join(chains) + "\n}\n"


def _chain(hook: str, lines: Sequence[str]) -> str:
    # The machine's own addresses stay its own, and a CNI knows neighbours without asking.
    always = ["ct state established,related accept", "iif lo accept", "oif lo accept"]
    if hook == "input":
        always.remove("oif lo accept")
    else:
        always.remove("iif lo accept")
    body = "".join(f"    {line}\n" for line in [*always, *lines])
    return f"  chain {hook} {{\n    type filter hook {hook} priority 0; policy drop;\n{body}  }}"


def _lines(
    direction: Direction, rule: dict[str, Any], space: str, endpoints: Sequence[Endpoint]
) -> list[str]:
    """One line for each peer and port of a rule."""
    word = _HOOKS[direction][1]
    peers = rule.get("from" if direction == "Ingress" else "to")
    matched = [_peer(peer, word, space, endpoints) for peer in peers] if peers else [""]
    ports = [_port(port) for port in rule["ports"]] if rule.get("ports") else [""]
    return [
        " ".join(f"{who} {port} accept".split())
        for who in matched
        if who is not None
        for port in ports
    ]


def _peer(peer: dict[str, Any], word: str, space: str, endpoints: Sequence[Endpoint]) -> str | None:
    """None: nobody is this peer."""
    if block := peer.get("ipBlock"):
        excluded = (
            f" ip {word} != {{ {', '.join(block['except'])} }}" if block.get("except") else ""
        )
        return f"ip {word} {block['cidr']}{excluded}"
    addresses = [e.ip for e in endpoints if is_peer(peer, e, space)]
    return f"ip {word} {{ {', '.join(addresses)} }}" if addresses else None


def _port(port: dict[str, Any]) -> str:
    protocol = port.get("protocol", "TCP").lower()
    if "port" not in port:
        return f"meta l4proto {protocol}"
    return f"{protocol} dport {first(port)}-{last(port)}"
