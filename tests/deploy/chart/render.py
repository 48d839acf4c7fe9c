"""Renders the chart with Helm, offline; `python -m tests.deploy.chart.render` writes deploy/k8s."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.tools import ROOT, environment

CHART = ROOT / "deploy" / "helm" / "netra"
PLAIN = ROOT / "deploy" / "k8s"
ENVIRONMENTS = ("staging", "production", "dr")
NAMESPACE = "netra-production"
#: Backups switched on.
BACKUP = {"enabled": True, "url": "s3://bucket/netra", "clickhouseClaim": "clickhouse-backups"}

Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One rendering: values files by environment, then values over them."""

    environment: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = NAMESPACE


@dataclass(frozen=True, kw_only=True)
class Rendered:
    #: The text of each template that is not empty, by its name.
    files: dict[str, str]
    lint: dict[str, Any]
    #: What `helm install` sends, hooks left out.
    installed: str = ""

    @cached_property
    def manifests(self) -> list[Manifest]:
        """Every object, in the order of the files' names."""
        texts = [text for _, text in sorted(self.files.items())]
        return [m for text in texts for m in yaml.safe_load_all(text) if m]


def values_of(case: Case) -> dict[str, Any]:
    """All values of a case, the chart's own with those of its environment and its own over them."""
    merged = yaml.safe_load((CHART / "values.yaml").read_text())
    if case.environment:
        _merge(merged, yaml.safe_load((CHART / f"values-{case.environment}.yaml").read_text()))
    _merge(merged, case.values)
    return merged


def _merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


class Refused(Exception):
    """Helm did not take the values; its message."""


def render(cases: Sequence[Case]) -> list[Rendered | Refused]:
    """Renders all cases by one process of Helm's."""
    asked = {
        "chart": str(CHART),
        "cases": [
            {
                "files": [str(CHART / f"values-{c.environment}.yaml")] if c.environment else [],
                "values": c.values,
                "namespace": c.namespace,
            }
            for c in cases
        ],
    }
    done = subprocess.run(
        [str(environment("helm") / "python"), str(Path(__file__).with_name("engine.py"))],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Helm ended with {done.returncode}: {done.stderr[-2000:]}")
    return [_answer(answer) for answer in json.loads(done.stdout)]


def render_one(case: Case) -> Rendered:
    """
    Raises:
        Refused: Helm did not take the values.
    """
    [answer] = render([case])
    if isinstance(answer, Refused):
        raise answer
    return answer


def _answer(answer: dict[str, Any]) -> Rendered | Refused:
    if "error" in answer:
        return Refused(answer["error"])
    files = {Path(name).name: text for name, text in answer["manifests"].items() if text.strip()}
    files.pop("NOTES.txt", None)
    return Rendered(files=files, lint=answer["lint"], installed=answer["installed"])


@cache
def environments() -> dict[str, Rendered]:
    """The chart as it is for each environment, by one run of Helm; and with what is
    behind a switch: `console`, `backups`.

    Raises:
        Refused: Helm did not take the values of one.
    """
    cases = {name: Case(environment=name) for name in ENVIRONMENTS}
    cases["console"] = Case(environment="production", values={"frontend": {"enabled": True}})
    cases["backups"] = Case(environment="staging", values={"backup": BACKUP})
    named: dict[str, Rendered] = {}
    for name, answer in zip(cases, render(list(cases.values())), strict=True):
        if isinstance(answer, Refused):
            raise answer
        named[name] = answer
    return named


_HEAD = "# Rendered from deploy/helm/netra by `make k8s`; changes go there.\n"


def plain() -> dict[str, str]:
    """The files of deploy/k8s: production, by name, each with a fixed order of keys and objects."""
    case = Case(environment="production", values={"namespace": {"create": True}})
    files: dict[str, str] = {}
    rendered = render_one(case)
    scaled = {
        m["spec"]["scaleTargetRef"]["name"]
        for m in rendered.manifests
        if m["kind"] == "HorizontalPodAutoscaler"
    }
    for name, text in sorted(rendered.files.items()):
        objects = [_plain(m, scaled) for m in yaml.safe_load_all(text) if m]
        if objects:
            files[name] = _HEAD + yaml.safe_dump_all(objects, sort_keys=True, width=100)
    listed = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": sorted(files),
    }
    files["kustomization.yaml"] = _HEAD + yaml.safe_dump(listed, sort_keys=True)
    return files


def _plain(manifest: Manifest, scaled: Collection[str]) -> Manifest:
    """Without what only Helm reads; `kubectl apply` would set an autoscaler's number each time."""
    meta = manifest["metadata"]
    if manifest["kind"] == "Deployment" and meta["name"] in scaled:
        manifest["spec"].pop("replicas", None)
    annotations = meta.get("annotations", {})
    meta["annotations"] = {k: v for k, v in annotations.items() if not k.startswith("helm.sh/")}
    if not meta["annotations"]:
        del meta["annotations"]
    for part in (meta, manifest.get("spec", {}).get("template", {}).get("metadata", {})):
        labels = part.get("labels", {})
        labels.pop("helm.sh/chart", None)
        if labels.get("app.kubernetes.io/managed-by"):
            labels["app.kubernetes.io/managed-by"] = "kustomize"
    return manifest


def write() -> None:
    """Makes deploy/k8s what the chart says, and nothing else."""
    files = plain()
    PLAIN.mkdir(exist_ok=True)
    for path in PLAIN.glob("*.yaml"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (PLAIN / name).write_text(text)


if __name__ == "__main__":
    write()
