"""Netra's pods as Kubernetes would show them to Prometheus: from the rendered manifests."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.deploy.tools import ROOT

#: Which process of the one-machine stack runs what a component's pods run.
PROCESSES = {
    "backend": "api",
    "worker-cpu": "worker-cpu",
    "worker-gpu": "worker-gpu",
    "scheduler": "scheduler",
}


def templates() -> dict[str, dict[str, Any]]:
    """The metadata of each component's pods."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "deploy" / "k8s").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            pod = ((document or {}).get("spec") or {}).get("template") or {}
            metadata = pod.get("metadata") or {}
            component = metadata.get("labels", {}).get("app.kubernetes.io/component")
            if component:
                found[component] = metadata
    return found


def discovered(component: str, metadata: dict[str, Any], **more: str) -> dict[str, str]:
    """The labels that Kubernetes' discovery gives a pod, before relabelling."""
    labels = {
        "__meta_kubernetes_namespace": "netra-production",
        "__meta_kubernetes_pod_name": f"netra-{component}-0",
        "__meta_kubernetes_pod_ip": "127.0.0.1",
    }
    for kind in ("label", "annotation"):
        for name, value in metadata.get(f"{kind}s", {}).items():
            labels[f"__meta_kubernetes_pod_{kind}_{re.sub(r'[^A-Za-z0-9]', '_', name)}"] = value
    return {**labels, **more}


def targets(ports: dict[str, int]) -> list[dict[str, Any]]:
    """All pods of the manifests, those that are scraped at this machine's ports."""
    made: list[dict[str, Any]] = []
    for component, metadata in templates().items():
        labels = discovered(component, metadata)
        if component in PROCESSES:
            port = "__meta_kubernetes_pod_annotation_prometheus_io_port"
            labels[port] = str(ports[f"metrics-{PROCESSES[component]}"])
        # The address that discovery proposes is of some port of the pod, not of the right one.
        made.append({"targets": ["127.0.0.1:1"], "labels": labels})
    return made
