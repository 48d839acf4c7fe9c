"""Logs: every line of every process is JSON under the schema; Fluentd's configuration fits them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from netra.logging import CONTEXT
from tests.deploy.conftest import Proof
from tests.deploy.monitoring import fluentd
from tests.deploy.monitoring.artefacts import path_of
from tests.deploy.monitoring.running import Observed
from tests.deploy.tools import ROOT, environment

SCHEMA = path_of("log-line.schema.json")
FLUENTD = path_of("fluentd", "fluent.conf")


def test_the_schema_has_what_lines_may_hold() -> None:
    schema = json.loads(SCHEMA.read_text())
    always = {"ts", "level", "component", "logger", "message"}
    assert set(schema["required"]) == always
    assert set(schema["properties"]) == always | set(CONTEXT) | {"traceback"}
    documented = (ROOT / "docs" / "observability.md").read_text()
    assert [name for name in schema["properties"] if f"`{name}`" not in documented] == []


@pytest.mark.timeout(400)
def test_every_line_of_every_process_is_one(
    observed: Observed, tmp_path: Path, proof: Proof
) -> None:
    logs = observed.logs()
    silent = [name for name, lines in logs.items() if not lines]
    assert silent == []
    files: list[Path] = []
    for name, lines in logs.items():
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("\n".join(lines) + "\n")
    script = ROOT / "tests" / "deploy" / "monitoring" / "check_lines.py"
    python = environment("monitoring") / "python"
    done = subprocess.run([python, script, SCHEMA, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) == sum(map(len, logs.values()))
    loggers = {json.loads(line)["logger"].split(".")[0] for f in files for line in _lines(f)}
    assert {"uvicorn", "alembic", "py", "netra"} <= loggers, "others' lines are lines as well"
    counts = ", ".join(f"{name} {len(lines)}" for name, lines in logs.items())
    proof(f"logs: {done.stdout.strip()} lines of {len(logs)} processes under the schema ({counts})")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.mark.timeout(400)
def test_a_workers_children_and_the_api_say_for_whom_they_work(observed: Observed) -> None:
    logs = observed.logs()
    ended = [json.loads(line) for line in logs["worker-cpu"] if '"outcome"' in line]
    assert len(ended) > 20
    for line in ended:
        assert {"tenant_id", "job_id", "stage", "stage_id", "agent", "trace_id"} <= set(line)
    served = [json.loads(line) for line in logs["api"] if '"POST /api/v1/jobs ' in line]
    assert len(served) > 20
    for line in served:
        assert {"request_id", "trace_id", "tenant_id", "job_id", "seconds"} <= set(line)


def test_a_line_is_json_even_when_a_process_cannot_start() -> None:
    broken = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "python"), "-m", "netra.store.migrate"],
        env=broken,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["level"], last["component"]) == ("critical", "migrate")
    assert done.stderr == ""


@pytest.mark.timeout(400)
def test_fluentd_reads_the_lines_and_keeps_them_until_they_are_sent(
    observed: Observed, proof: Proof
) -> None:
    """Fluentd itself cannot be had here: its configuration is read, and its patterns applied."""
    root = fluentd.read(FLUENTD)
    tail = root.one("source")
    assert tail.parameters["@type"] == "tail"
    label = root.one("label")
    assert label.argument == tail.parameters["@label"]
    kinds = [s.parameters["@type"] for s in label.sections]
    assert kinds == ["concat", "kubernetes_metadata", "parser", "elasticsearch"]
    buffer = label.one("match").one("buffer").parameters
    assert buffer["@type"] == "file"
    assert buffer["flush_interval"] == "5s"
    assert (buffer["retry_type"], buffer["retry_forever"]) == ("exponential_backoff", "true")
    assert buffer["overflow_action"] == "block"
    tag = re.compile(tail.parameters["path"].replace(".", r"\.").replace("*", "[^/]*"))
    assert tag.fullmatch("/var/log/containers/netra-backend-5d9_netra-production_backend-0a1.log")
    assert not tag.fullmatch("/var/log/containers/coredns-5d9_kube-system_coredns-0a1.log")

    frame = fluentd.expression(tail.one("parse"))
    inner = label.all("filter")[-1]
    parse = inner.one("parse").parameters
    assert (inner.parameters["key_name"], parse["@type"]) == ("log", "json")
    count = 0
    for lines in observed.logs().values():
        for line in lines:
            found = frame.fullmatch(f"2026-11-25T22:00:00.123456789+00:00 stdout F {line}")
            assert found is not None
            record = json.loads(found["log"])
            format = fluentd.strptime(parse["time_format"])
            at = datetime.strptime(record[parse["time_key"]], format)  # noqa: DTZ007 - it has %z
            assert at.tzinfo is not None
            count += 1
    proof(
        f"Fluentd: configuration read by a parser of its grammar (Fluentd itself is not packaged"
        f" here); its frame, JSON key and time format fit {count} real lines"
    )
