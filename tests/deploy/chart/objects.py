"""Finding one's way in rendered manifests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Manifest = dict[str, Any]

_PODS = ("Deployment", "StatefulSet", "Job")


def find(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one object of that kind and name.

    Raises:
        LookupError: there is none, or more than one.
    """
    found = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    if len(found) != 1:
        raise LookupError(f"{len(found)} objects are {kind} {name}")
    return found[0]


def kinds(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    return [m for m in manifests if m["kind"] == kind]


def templates(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod template, by the name of what makes pods of it."""
    for m in manifests:
        if m["kind"] in _PODS:
            yield m["metadata"]["name"], m["spec"]["template"]
        elif m["kind"] == "CronJob":
            yield m["metadata"]["name"], m["spec"]["jobTemplate"]["spec"]["template"]


def specs(manifests: Sequence[Manifest]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod's spec."""
    for name, template in templates(manifests):
        yield name, template["spec"]


def only_container(manifests: Sequence[Manifest], name: str) -> dict[str, Any]:
    """The container of the pods that `name` makes."""
    [container] = dict(specs(manifests))[name]["containers"]
    return container


def variables(manifests: Sequence[Manifest]) -> dict[str, str | None]:
    """All environment variables that any pod gets: the value, None where a Secret has it."""
    named: dict[str, str | None] = {}
    for m in kinds(manifests, "ConfigMap"):
        if m["metadata"]["name"] == "netra-settings":
            named |= m["data"]
    for _, spec in specs(manifests):
        for container in spec["containers"]:
            named |= {e["name"]: e.get("value") for e in container.get("env", [])}
    return named


_MEMORY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def memory_bytes(quantity: str) -> int:
    """A quantity of memory, such as `8Gi`, in bytes."""
    return int(quantity[:-2]) * _MEMORY[quantity[-2:]]
