"""One trace: from the request through the outbox and the stages to the report."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter

import pytest
import yaml

from tests.deploy.conftest import Proof
from tests.deploy.monitoring.artefacts import path_of
from tests.deploy.monitoring.otlp import Collector, Received
from tests.deploy.monitoring.running import Observed
from tests.deploy.tools import ROOT

SERVER, PRODUCER, CONSUMER = 2, 4, 5


@pytest.mark.timeout(400)
def test_one_trace_id_leads_from_the_request_to_the_report(
    observed: Observed, proof: Proof
) -> None:
    def lines(process: str) -> list[dict[str, object]]:
        return [json.loads(x) for x in observed.logs()[process] if observed.trace_id in x]

    (request,) = [x for x in lines("api") if str(x["message"]).startswith("POST /api/v1/jobs 202")]
    assert request["request_id"] == observed.request_id == observed.answered["x-request-id"]
    assert request["job_id"] == observed.job_id
    admitted = [
        stage
        for line in lines("scheduler")
        for stage in line["admitted"]  # type: ignore[attr-defined]
        if stage["trace_id"] == observed.trace_id
    ]
    ended = [x for pool in ("cpu", "gpu") for x in lines(f"worker-{pool}") if "outcome" in x]
    assert {x["job_id"] for x in [*admitted, *ended]} == {observed.job_id}
    assert {x["stage"] for x in admitted} == {x["stage"] for x in ended}
    assert "report" in {x["stage"] for x in ended}
    assert {x["outcome"] for x in ended} == {"succeeded"}
    assert observed.report["method"]["trace"] == observed.trace_id
    assert observed.answered["traceresponse"].split("-")[1] == observed.trace_id
    proof(
        f"trace {observed.trace_id[:8]}…: on the API's line, {len(admitted)} admissions of the"
        f" scheduler, {len(ended)} stage lines of both workers, and in the report"
    )


@pytest.mark.timeout(400)
def test_its_spans_arrive_at_a_collector_below_the_clients_own(
    observed: Observed, proof: Proof
) -> None:
    spans = _settled(observed)
    assert observed.collector.refused == []
    server = [s for s in spans if s.kind == SERVER and s.attributes["http.route"] == "/api/v1/jobs"]
    assert len(server) == 1
    (request,) = server
    assert request.parent_id == observed.parent_id
    assert request.service == "netra-api"
    assert request.name == "POST /api/v1/jobs"
    assert request.attributes["netra.request_id"] == observed.request_id
    assert request.attributes["netra.job_id"] == observed.job_id
    assert request.span_id == observed.answered["traceresponse"].split("-")[2]
    below = [s for s in spans if s is not request]
    assert {s.parent_id for s in below} == {request.span_id}
    stages = [s for s in below if s.kind == CONSUMER]
    assert {s.service for s in stages} == {"netra-worker-cpu", "netra-worker-gpu"}
    assert "stage report" in {s.name for s in stages}
    assert {s.attributes["netra.outcome"] for s in stages} == {"succeeded"}
    admits = [s for s in below if s.name == "admit"]
    assert {s.service for s in admits} == {"netra-scheduler"}
    assert {s.attributes["netra.stage"] for s in admits} == {
        s.attributes["netra.stage"] for s in stages
    }
    sent = Counter(s.service for s in below if s.name == "outbox publish")
    # The API sends nothing here: nobody can follow a job before it is submitted.
    assert set(sent) == {"netra-scheduler", "netra-worker-cpu", "netra-worker-gpu"}
    assert all(s.kind == PRODUCER for s in [*admits, *(s for s in below if "outbox" in s.name)])
    assert all(request.began_ns <= s.began_ns <= s.ended_ns for s in below)
    proof(
        f"spans: {len(spans)} of that trace decoded from OTLP at a local receiver, one HTTP span"
        f" below the client's, {len(stages)} stages, {len(admits)} admissions,"
        f" {sum(sent.values())} outbox sends below it; {len(observed.collector.spans)} in all"
    )


def _settled(observed: Observed) -> list[Received]:
    """The spans of the trace, once no more come."""
    count = -1
    while count != len(found := observed.collector.of(observed.trace_id)):
        count = len(found)
        time.sleep(2.5)
    return found


@pytest.mark.timeout(400)
def test_a_failed_stage_is_a_failed_span(observed: Observed) -> None:
    failed = [s for s in observed.collector.spans if s.attributes.get("netra.outcome") == "failed"]
    assert failed
    assert all(s.failed for s in failed)


def test_a_collector_that_is_away_costs_nothing_but_its_spans() -> None:
    code = (
        "import time\n"
        "from netra import tracing\n"
        "from netra.settings import load\n"
        "tracing.start('api', load({'NETRA_TRACING_ENDPOINT': 'http://127.0.0.1:9',"
        " 'NETRA_TRACING_TIMEOUT_S': '1'}))\n"
        "began = time.perf_counter()\n"
        "for _ in range(5000):\n"
        "    with tracing.span('x', None, 'server') as span: assert span.traceparent\n"
        "print(time.perf_counter() - began)\n"
        "tracing._tracing.provider.force_flush(1)\n"
    )
    python = str(ROOT / ".venv" / "bin" / "python")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_caller_that_does_not_sample_is_not_sampled() -> None:
    with Collector() as collector:
        code = (
            "from netra import tracing\n"
            "from netra.settings import load\n"
            f"tracing.start('api', load({{'NETRA_TRACING_ENDPOINT': '{collector.url}'}}))\n"
            "for flags in ('00', '01'):\n"
            "    with tracing.span(f'x{flags}', f'00-{\"a\" * 32}-{\"b\" * 16}-{flags}') as span:\n"
            "        print(span.traceparent)\n"
            "tracing.stop()\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        without, sampled = done.stdout.split()
        assert (without[:36], without[-2:]) == (f"00-{'a' * 32}-", "00")
        assert (sampled[:36], sampled[-2:]) == (f"00-{'a' * 32}-", "01")
        assert [s.name for s in collector.spans] == ["x01"]


def test_the_collectors_configuration_hangs_together() -> None:
    """The collector itself cannot be had here: its parts are checked against each other."""
    given = yaml.safe_load(path_of("otel", "collector.yaml").read_text())
    assert given["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    for pipeline in given["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(given[kind])
            assert pipeline[kind]
    assert set(given["service"]["extensions"]) <= set(given["extensions"])
