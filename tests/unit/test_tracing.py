"""Traces: ids that are handed on, and nothing of OpenTelemetry where no endpoint is set."""

from __future__ import annotations

import subprocess
import sys

import pytest

from netra import tracing
from netra.settings import load

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_trace_is_taken_over_only_if_it_is_one() -> None:
    assert tracing.parse(GIVEN) == GIVEN
    bad = [
        *(None, "", "00-xyz", GIVEN.upper(), GIVEN[:-1], f"{GIVEN}-more", f"{GIVEN} "),
        *(f"ff{GIVEN[2:]}", GIVEN.replace(TRACE, "0" * 32), f"00-{TRACE}-{'0' * 16}-01"),
    ]
    assert [given for given in bad if tracing.parse(given) is not None] == []


def test_a_later_version_is_read_as_far_as_this_one_goes() -> None:
    assert tracing.parse(f"cc{GIVEN[2:]}-what-comes") == GIVEN
    assert tracing.parse(f"cc{GIVEN[2:]}") == GIVEN


def test_a_new_trace_is_one_and_no_other() -> None:
    begun = {tracing.begin() for _ in range(100)}
    assert len({tracing.trace_id(one) for one in begun}) == 100
    assert all(tracing.parse(one) == one for one in begun)


def test_without_an_endpoint_nothing_is_recorded_or_loaded() -> None:
    code = (
        "import sys\n"
        "import netra.api.app, netra.tasks.wake, netra.engine.scheduler\n"
        "from netra import tracing\n"
        "from netra.settings import load\n"
        "tracing.start('api', load({}))\n"
        "with tracing.span('x', None, 'server') as span:\n"
        "    span.add({'a': 1}); span.fail('no'); span.rename('y')\n"
        "tracing.record('x', None, 0)\n"
        "print(tracing.on(), span.traceparent, 'netra.tracing_spans' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "None", "False"]


@pytest.mark.parametrize("name", ["NETRA_TRACING_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_either_name_of_the_endpoint_is_understood(name: str) -> None:
    assert load({name: "http://c:4318"}).tracing.endpoint == "http://c:4318"
