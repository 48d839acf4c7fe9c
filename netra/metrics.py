"""Every metric, in one list. Names and labels are what dashboards and alerts are written against.

Labels have few values: routes are templates, never raw paths.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: This process's metrics; the client library's own registry would add what nobody asked for.
REGISTRY = CollectorRegistry()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LONG = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

# --- the API's processes

#: Requests by method, route template and status.
HTTP_REQUESTS = Counter(
    "http_requests_total", "Requests", ["method", "endpoint", "status"], registry=REGISTRY
)
#: From the first byte in to the last byte out, seconds. Streams are left out.
HTTP_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request",
    ["method", "endpoint"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
#: Requests and streams that are being answered.
ACTIVE_CONNECTIONS = Gauge(
    "active_connections", "Requests and streams being answered", registry=REGISTRY
)
WEBSOCKET_CONNECTIONS = Gauge("websocket_connections", "Open WebSockets", registry=REGISTRY)

# --- the workers' processes

#: How long stages ran, by agent, seconds.
AGENT_SECONDS = Histogram(
    "agent_processing_seconds",
    "Time that an agent ran",
    ["agent_name"],
    buckets=_LONG,
    registry=REGISTRY,
)

# --- the queue, as PostgreSQL has it; every API process says the same (use `max by`, not `sum`)

#: Stages that wait (`ready`, `admitted`) or run, by pool and tenant.
QUEUE_DEPTH = Gauge(
    "netra_queue_depth", "Stages by state", ["pool", "tenant", "state"], registry=REGISTRY
)
#: How long the oldest stage that could run has waited, seconds.
QUEUE_AGE = Gauge(
    "netra_queue_age_seconds",
    "Age of the oldest waiting stage",
    ["pool", "tenant"],
    registry=REGISTRY,
)
#: Slots of living workers; running stages ÷ slots is the utilisation of a pool.
POOL_SLOTS = Gauge("netra_pool_slots", "Slots of living workers", ["pool"], registry=REGISTRY)
#: Stages that ended in the last five minutes, by agent and state.
STAGE_OUTCOMES = Gauge(
    "netra_stage_outcomes_5m",
    "Stages ended within 5 minutes",
    ["agent_name", "state"],
    registry=REGISTRY,
)
#: Mean time from start to end of the stages that succeeded in the last five minutes, seconds.
STAGE_SECONDS = Gauge(
    "netra_stage_seconds_5m",
    "Mean duration of stages ended within 5 minutes",
    ["agent_name"],
    registry=REGISTRY,
)
#: Leases lost by stages that were touched in the last five minutes.
LEASE_EXPIRIES = Gauge(
    "netra_lease_expiries_5m", "Leases lost within 5 minutes", ["pool"], registry=REGISTRY
)
#: Age of the oldest fact that nobody has sent, seconds.
OUTBOX_LAG = Gauge("netra_outbox_lag_seconds", "Age of the oldest unsent fact", registry=REGISTRY)
#: How long the slowest running ingest has not written a block, seconds.
INSERT_LAG = Gauge(
    "netra_clickhouse_insert_lag_seconds", "Time since the slowest ingest wrote", registry=REGISTRY
)
#: Dead letters that wait for an operator.
DEAD_LETTERS = Gauge(
    "netra_dead_letters", "Dead letters not replayed", ["tenant"], registry=REGISTRY
)
