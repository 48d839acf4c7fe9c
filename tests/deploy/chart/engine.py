"""Helm itself: run by the Python of the tool `helm`, not by Netra's.

Reads one JSON object, `{"chart": folder, "cases": [{"files": [...], "values": {}, …}]}`, and prints
a list with one object a case: `{"manifests": {template: text}, "lint": {…}}` or `{"error": text}`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import helm_python as helm


def main() -> None:
    asked = json.load(sys.stdin)
    with helm.Chart.load(asked["chart"]) as chart:
        answers = [_case(chart, asked["chart"], case) for case in asked["cases"]]
    json.dump(answers, sys.stdout)


def _case(chart: helm.Chart, folder: str, case: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for file in case["files"]:
        _merge(values, helm.values_from_yaml(Path(file).read_text()))
    _merge(values, case["values"])
    try:
        chart.validate_schema(values)
        manifests = chart.render(values, name="netra", namespace=case["namespace"])
        installed = _installed(chart, values, case["namespace"])
        lint = helm.lint(folder, values, strict=True, kube_version="v1.37.0")
    except helm.HelmError as e:
        return {"error": str(e)}
    return {"manifests": manifests, "lint": lint, "installed": installed}


#: Of a cluster that is not there: a client's dry run asks it nothing.
_CLUSTER = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""


def _installed(chart: helm.Chart, values: dict[str, Any], namespace: str) -> str:
    """What `helm install --dry-run=client` would send after the hooks."""
    with helm.Config(
        namespace=namespace, kubeconfig_content=_CLUSTER, storage_driver="memory"
    ) as config:
        release = config.install(chart, "netra", values, dry_run="client", namespace=namespace)
    return release["manifest"]


def _merge(into: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


if __name__ == "__main__":
    main()
