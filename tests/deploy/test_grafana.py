"""Dashboards: as Grafana's own models read them, and each query answered by the real Prometheus."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from tests.deploy.conftest import Proof
from tests.deploy.monitoring.artefacts import DASHBOARDS, known, names_in, panels, path_of
from tests.deploy.monitoring.running import Observed
from tests.deploy.tools import ROOT, environment

#: What an operator wants to see, and a metric that only its panel would read.
WANTED = {
    "request rate": "netra:http_requests:rate5m",
    "5xx rate": "netra:http_errors:ratio5m",
    "p95 latency": "netra:http_request_duration_seconds:p95_5m",
    "active WebSockets": "websocket_connections",
    "queue depth": "netra:queue_depth:sum",
    "queue age": "netra:queue_age_seconds:max",
    "stage durations": "netra:agent_processing_seconds:p95_5m",
    "worker utilisation": "netra:worker_utilisation:ratio",
    "savings found": "netra_savings_found",
}


@pytest.mark.timeout(180)
def test_grafanas_own_models_read_all_of_each_dashboard(proof: Proof) -> None:
    script = ROOT / "tests" / "deploy" / "monitoring" / "read_dashboards.py"
    python = environment("monitoring") / "python"
    done = subprocess.run([python, script, *DASHBOARDS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    proof(f"Grafana: {len(DASHBOARDS)} dashboards, {len(panels())} queries, {done.stdout.strip()}")


def test_what_operators_want_to_see_is_there() -> None:
    read = {name for _, _, expression in panels() for name in names_in(expression)}
    assert {what for what, name in WANTED.items() if name not in read} == set()
    assert [name for name in read if not known(name)] == []


def test_dashboards_are_provisioned_and_name_the_provisioned_source() -> None:
    sources = yaml.safe_load(
        path_of("grafana", "provisioning", "datasources", "prometheus.yml").read_text()
    )["datasources"]
    uids = {source["uid"] for source in sources}
    providers = yaml.safe_load(
        path_of("grafana", "provisioning", "dashboards", "netra.yml").read_text()
    )["providers"]
    assert [p["type"] for p in providers] == ["file"]
    seen: set[str] = set()
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        assert dashboard["uid"] not in seen
        seen.add(dashboard["uid"])
        assert dashboard["schemaVersion"] >= 36
        assert "id" not in dashboard, "an id belongs to one server"
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))
        for panel in dashboard["panels"]:
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
            used = [panel["datasource"], *(t["datasource"] for t in panel["targets"])]
            assert {source["uid"] for source in used} <= uids, panel["title"]


@pytest.mark.timeout(400)
def test_every_panel_shows_something(observed: Observed, proof: Proof) -> None:
    empty: list[str] = []
    for board, title, expression in panels():
        found = observed.prometheus.query(expression)
        values = [float(one["value"][1]) for one in found]
        if not values or all(value != value for value in values):
            empty.append(f"{board}: {title}: {expression}")
    assert empty == []
    saved = observed.prometheus.query("max by (lever, unit) (netra_savings_found)")
    told = ", ".join(
        f"{one['metric']['lever']} {float(one['value'][1]):.4g} {one['metric']['unit']}"
        for one in saved
    )
    proof(f"Grafana: all {len(panels())} panel queries have data on that Prometheus ({told})")
