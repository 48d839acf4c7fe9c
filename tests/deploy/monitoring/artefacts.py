"""The files of `deploy/monitoring`, and the metrics that their expressions name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from netra.metrics import exported
from tests.deploy.tools import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "prometheus" / "rules"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))

#: What Prometheus itself and its client for Python add.
_GIVEN = {"up", "ALERTS"}
_GIVEN_PREFIX = "process_"
#: What kube-state-metrics serves, of what the rules read; nothing of it is Netra's.
OF_THE_CLUSTER = frozenset(
    {
        "kube_cronjob_created",
        "kube_cronjob_status_last_successful_time",
        "kube_deployment_created",
        "kube_job_failed",
        "kube_job_owner",
        "kube_job_status_start_time",
    }
)
#: Words of PromQL that look like names of metrics.
_WORDS = frozenset({"by", "on", "or", "and", "unless", "without", "ignoring", "group_left", "bool"})


def rules() -> list[dict[str, Any]]:
    """All recording and alert rules."""
    return [
        rule
        for path in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> list[tuple[str, str, str]]:
    """`(dashboard, panel, expression)` of every query."""
    return [
        (path.stem, panel["title"], target["expr"])
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]


def names_in(expression: str) -> set[str]:
    """The metrics that a PromQL expression reads."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|on|without|ignoring|group_left)\s*\([^)]*\)", "", bare)
    found = re.findall(r"(?<![\w.:])([a-zA-Z_:][\w:]*)(?![\w:]|\s*\()", bare)
    return {name for name in found if name not in _WORDS}


def known(name: str) -> bool:
    """Whether some process, Prometheus or a recording rule provides the series."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    own = {series for metric in exported() for series in metric.series}
    return name in _GIVEN | OF_THE_CLUSTER | recorded | own or name.startswith(_GIVEN_PREFIX)


def path_of(*parts: str) -> Path:
    return MONITORING.joinpath(*parts)
