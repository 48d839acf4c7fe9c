"""Every metric, in one list. Names and labels are what dashboards and alerts are written against.

Labels have few values: routes are templates, never raw paths.
"""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

#: This process's metrics; the client library's own registry would add what nobody asked for.
REGISTRY = CollectorRegistry()
#: Its CPU seconds, memory and open files (`process_…`), on Linux.
ProcessCollector(registry=REGISTRY)

#: The pools of workers.
POOLS = ("cpu", "gpu")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# --- what an API process counts of itself

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
#: The API's pool of connections to PostgreSQL: `open`, those of them that are `idle`, and requests
#: that are `waiting` for one.
DATABASE_POOL = Gauge(
    "netra_database_pool", "Connections to PostgreSQL", ["state"], registry=REGISTRY
)
#: Whether a store answers this API process, asked at scrape; PostgreSQL's absence shows in the
#: metrics that are read from it.
STORE_UP = Gauge("netra_store_up", "Whether a store answers", ["store"], registry=REGISTRY)


# --- what the scheduler counts of itself

SCHEDULER_ADMITTED = Counter(
    "netra_scheduler_admitted_total", "Stages handed to a pool", ["pool"], registry=REGISTRY
)
#: Facts that whoever made them true could not send: he died, or Redis was away.
SCHEDULER_RELAYED = Counter(
    "netra_scheduler_relayed_total", "Facts sent for somebody else", registry=REGISTRY
)
#: When the last round ended (Unix); a scheduler that hangs leaves it behind.
SCHEDULER_ROUND_AT = Gauge(
    "netra_scheduler_last_round_timestamp_seconds", "When the last round ended", registry=REGISTRY
)

# --- what a worker's parent process counts of itself and its children, at every heartbeat

#: Stages that it runs now, and how many it could; their ratio is the utilisation of a pool.
WORKER_BUSY = Gauge("netra_worker_busy", "Stages being run", ["pool"], registry=REGISTRY)
WORKER_SLOTS = Gauge("netra_worker_slots", "Stages it can run", ["pool"], registry=REGISTRY)
#: Processes that were killed: `time limit`, `memory limit`, `cancelled`.
WORKER_KILLS = Counter(
    "netra_worker_kills_total", "Processes killed", ["pool", "reason"], registry=REGISTRY
)
#: Heartbeats that failed: PostgreSQL was away.
WORKER_MISSED = Counter(
    "netra_worker_heartbeats_missed_total", "Heartbeats that failed", ["pool"], registry=REGISTRY
)
#: When it last renewed its leases (Unix).
WORKER_BEAT_AT = Gauge(
    "netra_worker_last_heartbeat_timestamp_seconds",
    "When leases were last renewed",
    ["pool"],
    registry=REGISTRY,
)

# --- what the follower of backups knows of what is kept

#: When the newest backup of a store was complete (Unix), by `kind`, `full` or `incremental`; a full
#: one of 0: there is none.
BACKUP_AT = Gauge(
    "netra_backup_last_timestamp_seconds",
    "When the newest backup was complete",
    ["store", "kind"],
    registry=REGISTRY,
)
#: Everything that was committed by then can be restored (Unix); 0 in other processes.
BACKUP_REACHED_AT = Gauge(
    "netra_backup_reached_timestamp_seconds",
    "Up to when what was committed is kept",
    registry=REGISTRY,
)

# --- what an API process reads from PostgreSQL at scrape. Each says the same of the present, and
# counts what ended since it started: take the `max` over instances, never the `sum`.

#: The label of all tenants beyond those with the longest queues (`metrics.tenants`).
OTHER_TENANTS = "(other)"


@dataclass(frozen=True)
class Family:
    """A metric that is made at scrape."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: str = "gauge"


#: Stages that wait (`ready`, `admitted`) or run.
QUEUE_DEPTH = Family("netra_queue_depth", "Stages by state", ("pool", "tenant", "state"))
#: How long the oldest stage that could run has waited, seconds.
QUEUE_AGE = Family("netra_queue_age_seconds", "Age of the oldest waiting stage", ("pool", "tenant"))
#: Slots of living workers; running stages ÷ slots is the utilisation of a pool.
POOL_SLOTS = Family("netra_pool_slots", "Slots of living workers", ("pool",))
#: Age of the oldest fact that nobody has sent, seconds.
OUTBOX_LAG = Family("netra_outbox_lag_seconds", "Age of the oldest unsent fact")
#: Time since the slowest running ingest wrote its last block, seconds.
INSERT_LAG = Family(
    "netra_clickhouse_insert_lag_seconds", "Time since the slowest running ingest wrote"
)
#: Of PostgreSQL, `active` or `inactive`: for the latter it keeps its log, and nobody reads it.
REPLICATION_SLOTS = Family("netra_replication_slots", "Replication slots by state", ("state",))
#: What the recommendations of each workload's newest report saved on traffic that the choice had
#: not seen, added up by unit (`USD` of that traffic, `USD/h`, `share`, …): measured, no forecast.
SAVINGS = Family("netra_savings_found", "Savings in the newest reports", ("lever", "unit"))
#: How many workloads stand behind the sum: of shares, look at the average.
SAVINGS_WORKLOADS = Family(
    "netra_savings_workloads", "Workloads with such a saving", ("lever", "unit")
)
#: Dead letters that wait for an operator.
DEAD_LETTERS = Family("netra_dead_letters", "Dead letters not replayed", ("tenant",))
#: Stages that ended or were sent back: `succeeded`, `failed`, `cancelled`, `retried`.
STAGE_OUTCOMES = Family(
    "netra_stage_outcomes", "Stages ended", ("agent_name", "outcome"), "counter"
)
#: Leases lost: a worker died or hung.
LEASE_EXPIRIES = Family("netra_lease_expiries", "Leases lost", ("pool",), "counter")
#: How long stages that succeeded ran, by agent, seconds.
AGENT_SECONDS = Family(
    "agent_processing_seconds", "Time that an agent ran", ("agent_name",), "histogram"
)
AGENT_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

#: All of them.
FAMILIES = tuple(value for value in list(globals().values()) if isinstance(value, Family))


@dataclass(frozen=True)
class Exported:
    """A metric as documentation and dashboards name it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus keeps it."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (self.name,)


def exported() -> list[Exported]:
    """Every metric that some process of Netra serves, by name; those of Python's client beside
    them (`process_…`) have none of its own to say."""
    found = [Exported(_named(f.name, f.kind), f.kind, f.labels, f.help) for f in FAMILIES]
    for value in list(globals().values()):
        if isinstance(value, Counter | Gauge | Histogram):
            (described,) = value.describe()
            found.append(
                Exported(
                    _named(described.name, described.type),
                    described.type,
                    value._labelnames,
                    described.documentation,
                )
            )
    return sorted(found, key=lambda one: one.name)


def _named(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name
