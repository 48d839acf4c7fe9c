"""Bodies as the OpenAPI description shows them; a test submits each."""

from __future__ import annotations

from typing import Any

from litestar.enums import RequestEncodingType
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg

JOB_EXAMPLES: dict[str, dict[str, Any]] = {
    "A goal in words": {
        "workload_id": "support-traffic",
        "goal": "Cut cost by 20 % at equal quality; p95 latency no worse",
        "priority": 5,
        "labels": {"team": "search"},
    },
    "Structured, on a named pipeline": {
        "workload_id": "support-traffic",
        "objectives": [{"metric": "cost", "change": -0.2}],
        "constraints": [{"metric": "latency_p95_ms", "max": 500, "where": {"feature": "search"}}],
        "pipeline": "optimize",
    },
    "An explicit DAG": {
        "stages": [
            {"name": "first", "agent": "noop"},
            {"name": "second", "agent": "noop", "after": ["first"], "params": {"sleep_s": 0.1}},
        ]
    },
}
BATCH_EXAMPLES: dict[str, dict[str, Any]] = {
    "Two jobs, safe to send again": {
        "name": "nightly",
        "jobs": [
            {"stages": [{"agent": "noop"}], "idempotency_key": "nightly-1"},
            {"stages": [{"agent": "noop"}], "idempotency_key": "nightly-2"},
        ],
    }
}
PRIORITY_EXAMPLES: dict[str, dict[str, Any]] = {"Before everything else": {"priority": 9}}
REPLAY_EXAMPLES: dict[str, dict[str, Any]] = {
    "Everything that ran past its limit since a day": {
        "error_type": "TimeLimit",
        "since": "2026-01-01T00:00:00Z",
    }
}
SUPPLY_EXAMPLES: dict[str, dict[str, Any]] = {
    "A negotiated price, USD per million tokens": {
        "effective_from": "2026-01-01",
        "content": {"input": 2.5, "output": 10.0, "cache_read": 0.25},
    }
}


def _body(examples: dict[str, dict[str, Any]]) -> Any:
    shown = [Example(summary=name, value=value) for name, value in examples.items()]
    return BodyKwarg(media_type=RequestEncodingType.JSON, examples=shown)


JOB = _body(JOB_EXAMPLES)
BATCH = _body(BATCH_EXAMPLES)
PRIORITY = _body(PRIORITY_EXAMPLES)
REPLAY = _body(REPLAY_EXAMPLES)
SUPPLY = _body(SUPPLY_EXAMPLES)
