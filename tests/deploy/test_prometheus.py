"""Prometheus itself: the shipped rules, and the shipped configuration over a running stack."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml

from netra.metrics import exported
from netra.settings import CONFIG_DIR, load
from tests.deploy.conftest import Proof
from tests.deploy.monitoring import pods
from tests.deploy.monitoring.artefacts import (
    OF_THE_CLUSTER,
    RULES,
    alerts,
    known,
    names_in,
    path_of,
    rules,
)
from tests.deploy.monitoring.running import Observed
from tests.deploy.tools import ROOT

#: Served by a follower of backups, which is none of the stack's processes: test_backup_log.
FOLLOWER = {"netra_backup_last_timestamp_seconds"}


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_well_formed_and_read_what_there_is() -> None:
    promtool("check", "rules", *sorted(RULES.glob("*.yml")))
    promtool("check", "config", path_of("prometheus", "compose.yml"))
    for rule in rules():
        read = names_in(rule["expr"])
        assert read, rule
        assert [name for name in read if not known(name)] == [], rule["expr"]


def test_every_alert_fires_when_it_must_and_is_quiet_when_it_must_be(proof: Proof) -> None:
    promtool("test", "rules", path_of("prometheus", "tests", "alerts.yml"))
    cases = yaml.safe_load(path_of("prometheus", "tests", "alerts.yml").read_text())["tests"]
    tried = Counter(case["name"].partition(" ") for case in cases)
    for alert in alerts():
        for said in ("fires", "is quiet"):
            assert tried[alert["alert"], " ", said] > 0, (alert["alert"], said)
    proof(f"alerts: {len(alerts())} rules, {len(cases)} promtool cases, each fires and stays quiet")


def test_prometheus_keeps_of_the_cluster_what_the_rules_read() -> None:
    given = yaml.safe_load(path_of("prometheus", "kubernetes.yml").read_text())
    [job] = [j for j in given["scrape_configs"] if j["job_name"] == "kube-state-metrics"]
    [kept] = job["metric_relabel_configs"]
    assert (job["honor_labels"], kept["action"]) == (True, "keep")
    read = {name for rule in rules() for name in names_in(rule["expr"])}
    assert {name for name in read if name.startswith("kube_")} == OF_THE_CLUSTER
    for name in OF_THE_CLUSTER:
        assert re.fullmatch(kept["regex"], f"{name};netra-production"), name
    assert not re.fullmatch(kept["regex"], "kube_job_owner;elsewhere")
    assert not re.fullmatch(kept["regex"], "kube_pod_info;netra-production")


def test_every_scheduled_backup_is_late_after_its_period_and_before_the_next(proof: Proof) -> None:
    """The limits of NetraBackupJobLate are those of the schedule and two hours."""
    [late] = [alert for alert in alerts() if alert["alert"] == "NetraBackupJobLate"]
    limits = re.findall(
        r'age_seconds:max(?:\{cronjob=~?"([^"]+)"\})? > (\d+) \* (\d+)', str(late["expr"])
    )
    schedule = tomllib.loads((CONFIG_DIR / "backup" / "schedule.toml").read_text())["backups"]
    for entry in schedule:
        allowed = min(
            int(times) * int(unit)
            for pattern, times, unit in limits
            if re.fullmatch(pattern or ".*", f"netra-backup-{entry['name']}")
        )
        period_s = _period_s(entry["cron"])
        day = 86400 if period_s > 86400 else 0  # a week's full one may come a day later
        assert period_s < allowed <= period_s + (day or 2 * 3600), entry
    proof(f"alerts: {len(schedule)} scheduled backups, each called late soon after its time")


def _period_s(cron: str) -> float:
    """How often a line of the schedule is due: `*/N`, a time of day, or a day of the week."""
    minute, hour, _, _, weekday = cron.split()
    if weekday != "*":
        return 7 * 86400
    if hour.startswith("*/"):
        return int(hour[2:]) * 3600
    return int(minute[2:]) * 60 if minute.startswith("*/") else 86400


@pytest.mark.parametrize("alert", alerts(), ids=lambda a: a["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_to_do(alert: dict[str, dict[str, str]]) -> None:
    assert re.fullmatch("P[1-4]", alert["labels"]["severity"])
    assert alert["annotations"]["summary"]
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert page.startswith("docs/runbooks/")
    if not (ROOT / "docs" / "runbooks").is_dir():
        pytest.skip("docs/runbooks is not written yet")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    assert anchor in anchors, f"{page} has no heading #{anchor}"


def test_the_pods_say_where_their_metrics_are() -> None:
    port = load({"NETRA_ENV": "production"}).metrics.port
    templates = pods.templates()
    for component in pods.PROCESSES:
        annotations = templates[component]["annotations"]
        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/port"] == str(port), component
        assert annotations["prometheus.io/path"] == "/metrics"
    compose = yaml.safe_load(path_of("prometheus", "compose.yml").read_text())
    assert compose["scrape_configs"][0]["dns_sd_configs"][0]["port"] == port
    for name in ("kubernetes", "compose"):
        given = yaml.safe_load(path_of("prometheus", f"{name}.yml").read_text())
        assert given["global"]["scrape_interval"] == "15s"


@pytest.mark.timeout(400)
def test_prometheus_finds_the_pods_and_every_expression_has_data(
    observed: Observed, proof: Proof
) -> None:
    found = observed.prometheus.get("targets")["activeTargets"]
    up = {t["labels"]["component"]: t for t in found}
    assert set(up) == set(pods.PROCESSES), "Flower and migrate are no targets"
    assert {t["health"] for t in found} == {"up"}, [t["lastError"] for t in found]
    # No cluster is here whose jobs could be told of: the promtool cases try those rules.
    elsewhere = {
        r["record"] for r in rules() if "record" in r and names_in(r["expr"]) <= OF_THE_CLUSTER
    }
    recorded = {r["record"] for r in rules() if "record" in r} - elsewhere
    assert [name for name in recorded if not _has_data(observed, name)] == []
    unmeasured: list[str] = []
    for rule in alerts():
        observed.prometheus.query(rule["expr"])
        read = names_in(rule["expr"]) - FOLLOWER - OF_THE_CLUSTER - elsewhere
        unmeasured += [n for n in read if not _has_data(observed, n)]
    assert unmeasured == []
    groups = observed.prometheus.get("rules")["groups"]
    assert [r["lastError"] for g in groups for r in g["rules"] if r.get("lastError")] == []
    samples = observed.prometheus.query("sum(count_over_time(up[10m]))")[0]["value"][1]
    proof(
        f"Prometheus: {len(found)} processes found by the shipped relabelling and scraped"
        f" {samples} times in {observed.scraped_s:.0f} s; {len(rules())} rules evaluated without"
        f" error, the series of each has data; jobs of the last page: {observed.jobs}"
    )


def _has_data(observed: Observed, series: str) -> bool:
    return bool(observed.prometheus.query(series))


def test_every_metric_is_served_and_nothing_else(observed: Observed) -> None:
    names = set(observed.prometheus.get("label/__name__/values"))
    own = {series for metric in exported() for series in metric.series}
    assert own - names == FOLLOWER, "named in netra/metrics.py, and served by no process"
    added = {n for n in names - own if not re.match(r"process_|scrape_|netra:|up$|ALERTS", n)}
    assert {n for n in added if not n.endswith("_created")} == set()


def test_labels_have_few_values(observed: Observed) -> None:
    for metric in exported():
        for series in metric.series:
            found = observed.prometheus.query(series)
            assert len(found) < 400, (series, len(found))
            for one in found:
                extra = {"component", "instance", "job", "namespace", "pod", "__name__", "le"}
                assert set(one["metric"]) - extra == set(metric.labels), series
    routes = {r["metric"]["endpoint"] for r in observed.prometheus.query("http_requests_total")}
    assert "unmatched" in routes
    assert not [r for r in routes if observed.job_id in r or "nowhere" in r]
