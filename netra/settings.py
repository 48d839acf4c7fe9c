"""Settings, grouped by concern, with units in their names.

They come, the later over the earlier, from the defaults below, from
`config/<environment>.toml` (`NETRA_ENV`, default `development`), from the file that `NETRA_CONFIG`
names, and from the environment: `NETRA_QUEUE_LEASE_S=15` sets `queue.lease_s`. `DATABASE_URL`,
`REDIS_URL`, `CLICKHOUSE_URL`, `JWT_SECRET_KEY`, `ASYNC_POOL_SIZE`, `ASYNC_MAX_WORKERS` and
`OTEL_EXPORTER_OTLP_ENDPOINT` are understood as they stand. Secrets have no default.

Every value is checked when it is read. `netra settings` shows all of them, and docs/settings.md
their defaults.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from netra import settings_rules
from netra.errors import SettingsError
from netra.settings_rules import (
    Amount,
    BackupUrl,
    ClickHouseUrl,
    CollectorUrl,
    Count,
    Factor,
    Format,
    Level,
    Network,
    Origin,
    Port,
    PortOrZero,
    PostgresUrl,
    RedisUrl,
    Seconds,
    Secret,
    Share,
    WholeSeconds,
)
from netra.settings_sources import Gathered, Given, of_file, refuse, unknown

_PACKAGE = Path(__file__).parent
#: Where the settings files lie: inside the wheel, or beside the package in a checkout.
CONFIG_DIR = _PACKAGE / "_config" if (_PACKAGE / "_config").is_dir() else _PACKAGE.parent / "config"


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings."""


class Database(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: `postgresql://user:password@host:port/name`. No default: it holds a secret.
    url: PostgresUrl = ""
    #: Connections kept open by each process that serves requests.
    pool_size: Count = 20
    #: Connections opened above `pool_size` under load, and closed again.
    pool_overflow: Amount = 40
    #: A connection older than this is replaced, seconds.
    pool_recycle_s: WholeSeconds = 3600
    #: How long to wait for a connection before giving up, seconds.
    connect_timeout_s: Seconds = 5.0


class Redis(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: `redis://:password@host:port/0`. No default: it holds a secret.
    url: RedisUrl = ""
    #: Connections at most, per process.
    pool_size: Count = 50
    #: TCP keepalive: a silent connection is probed for the first time after, seconds.
    keepalive_idle_s: WholeSeconds = 1
    #: TCP keepalive: then it is probed every, seconds.
    keepalive_interval_s: WholeSeconds = 3
    #: TCP keepalive: so many probes without an answer, and it is dead.
    keepalive_count: Count = 5


class ClickHouse(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: `http://user:password@host:port/database`. No default: it holds a secret.
    url: ClickHouseUrl = ""
    #: Rows per insert block.
    insert_rows: Count = 50_000


class Api(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: The address that the API listens on; `0.0.0.0`: all of the machine's.
    host: str = "127.0.0.1"
    #: The port that the API listens on (the one-machine stack: `embedded.api_port`).
    port: Port = 8000
    #: Origins that a browser may open `/ws` from or call the API from.
    allowed_origins: tuple[Origin, ...] = ()
    #: Addresses or networks (`10.0.0.0/16`) of proxies that are believed when they say who calls
    #: (`X-Forwarded-For`, `X-Forwarded-Proto`). Whoever calls from elsewhere is who calls.
    trusted_proxies: tuple[Network, ...] = ()
    #: Signs the short-lived WebSocket tickets. No default: it is a secret.
    jwt_secret_key: Secret = ""
    #: A WebSocket ticket lives this long, seconds.
    ticket_life_s: WholeSeconds = 30
    #: The longest line of an uploaded CSV or JSONL file, bytes.
    max_line_bytes: Count = 8_000_000
    #: The largest JSON body, bytes (uploads of events are streamed, and not bound by this).
    max_body_bytes: Count = 64_000_000
    #: Threads for blocking work (ingest) beside the event loop.
    async_max_workers: Count = 50
    #: Blocking work waiting at most.
    async_pool_size: Count = 100
    #: Where uploads are spooled; empty is the system's temporary folder.
    spool_dir: str = ""


class Queue(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: A claimed stage belongs to its worker for this long unless renewed, seconds.
    lease_s: Seconds = 10.0
    #: Leases are renewed this often by the worker's parent process, seconds.
    heartbeat_s: Seconds = 0.8
    #: Stages admitted beyond the free slots, as a share of a pool's slots.
    admit_ahead: Factor = 1.0
    #: Stages admitted beyond the free slots, at least.
    admit_least: Amount = 48
    #: An admitted stage that nobody claimed while slots were free is admitted again after, seconds.
    readmit_s: Seconds = 5.0
    #: Failures of a stage (an exception in the agent) before it goes to the dead letters.
    max_failures: Count = 3
    #: Leases of a stage lost (its worker died or hung) before it goes to the dead letters.
    max_lost: Count = 5
    #: Processes of living workers that died with a stage before it goes to the dead letters.
    max_killed: Count = 2
    #: First delay before a failed stage runs again, seconds; doubles each time, with jitter.
    backoff_s: Seconds = 0.5
    #: No delay of a failed stage is longer, seconds.
    backoff_max_s: Seconds = 60.0
    #: A worker goes on claiming stages within one Celery message for this long, seconds.
    loop_budget_s: Seconds = 2.0
    #: Stages that the catalog calls short are claimed and completed so many at once.
    short_at_once: Count = 8
    #: The scheduler, and idle workers that no wake-up reached, look at least this often, seconds.
    poll_s: Seconds = 0.5
    #: A cancelled stage that does not stop by itself is killed after, seconds.
    cancel_grace_s: Seconds = 1.0
    #: A worker whose heartbeat is older than this has no slots, seconds.
    worker_stale_s: Seconds = 8.0
    #: A fact unsent for this long is sent by the scheduler, seconds.
    relay_after_s: Seconds = 1.0


class Workers(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: Stages that a cpu worker runs at once, each in a process of its own.
    cpu_concurrency: Count = 2
    #: Stages that a gpu worker runs at once, each in a process of its own.
    gpu_concurrency: Count = 1
    #: A stage whose process holds more than this is stopped and goes to the dead letters, MB;
    #: 0: three quarters of the machine's memory.
    stage_memory_mb: Amount = 0
    #: Lets a gpu worker start without a GPU and run the same code on NumPy. Development only.
    allow_cpu_fallback: bool = False


class Health(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: Where workers and schedulers leave their heartbeat files; empty: a folder of this user's in
    #: the system's temporary one. Containers that cannot write to their root mount one here.
    folder: str = ""
    #: A process whose file is older than this is dead to its liveness probe, seconds. Far above a
    #: beat: a store that hangs may hold one up for some seconds.
    stale_s: Seconds = 30.0


class Progress(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: Facts kept in a job's Redis stream; older ones are read from PostgreSQL.
    stream_length: Count = 1000
    #: A job's Redis stream expires after its last fact, seconds. It spares PostgreSQL when many
    #: clients come back at once, which they do within seconds; kept longer, it would fill Redis.
    stream_life_s: WholeSeconds = 60
    #: Ticks of one stage are sent at most this often, seconds.
    tick_interval_s: Seconds = 0.1
    #: A follower looks into PostgreSQL for facts that no message announced this often, seconds.
    reconcile_s: Seconds = 1.0


class Embedded(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: The folder that holds everything the one-machine stack writes. Empty: chosen (see embedded/).
    home: str = ""
    #: The API's port when it is free; 0 always picks a free one.
    api_port: PortOrZero = 8000
    #: Flower's port when it is free; 0 always picks a free one.
    flower_port: PortOrZero = 5555


class Backup(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: Where backups are kept: a folder, or `s3://bucket/prefix` with the usual `AWS_…` variables.
    url: BackupUrl = ""
    #: Backups that nothing younger needs are deleted after, days.
    keep_days: Count = 30
    #: The WAL and new rows are sent there this often, seconds: with what sending takes, the RPO.
    follow_s: Seconds = 10.0
    #: The folder that ClickHouse writes its own backups to before they are sent on, as it and this
    #: process both see it; empty: the one-machine stack's.
    clickhouse_folder: str = ""
    #: The folder of PostgreSQL's programs (`pg_basebackup`, …), of the server's major version;
    #: empty: those of the wheel.
    postgres_programs: str = ""
    #: Room for one backup while it is made or restored; empty: the system's temporary folder.
    scratch_dir: str = ""


class Logging(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: Lines below it are left out.
    level: Level = "INFO"
    #: `json` for machines, `text` for a terminal.
    format: Format = "json"


class Metrics(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: API, workers and scheduler serve their metrics here, without a key; 0: they do not.
    port: PortOrZero = 0
    #: Whom they serve it to: the machine itself, or (`0.0.0.0`) whoever the network lets through.
    host: str = "127.0.0.1"
    #: Tenants that have series of their own, those with the longest queues; the rest share one.
    tenants: Amount = 50


class Tracing(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: A collector's address (OTLP over HTTP), e.g. `http://localhost:4318`. Empty: no spans.
    endpoint: CollectorUrl = ""
    #: The share of traces begun here whose spans are exported; a caller's own decision is kept.
    sample: Share = 1.0
    #: How long a collector may take to answer, seconds.
    timeout_s: Seconds = 5.0


class Settings(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: `NETRA_ENV`.
    environment: str = "development"
    database: Database = Database()
    redis: Redis = Redis()
    clickhouse: ClickHouse = ClickHouse()
    api: Api = Api()
    queue: Queue = Queue()
    workers: Workers = Workers()
    health: Health = Health()
    progress: Progress = Progress()
    embedded: Embedded = Embedded()
    backup: Backup = Backup()
    logging: Logging = Logging()
    metrics: Metrics = Metrics()
    tracing: Tracing = Tracing()


#: Names that other tools set, and where they go.
ALIASES = {
    "DATABASE_URL": ("database", "url"),
    "REDIS_URL": ("redis", "url"),
    "CLICKHOUSE_URL": ("clickhouse", "url"),
    "JWT_SECRET_KEY": ("api", "jwt_secret_key"),
    "ASYNC_POOL_SIZE": ("api", "async_pool_size"),
    "ASYNC_MAX_WORKERS": ("api", "async_max_workers"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("tracing", "endpoint"),
}

#: What a process ends with that cannot be run with these settings, as after a wrong option.
WRONG_SETTINGS = 2


@cache
def variables() -> dict[str, tuple[str, str]]:
    """Every variable that sets something, and the group and key of what it sets."""
    own = {
        f"NETRA_{group.upper()}_{key.upper()}": (group, key)
        for group, default in _groups().items()
        for key in type(default).__struct_fields__
    }
    return {**ALIASES, **own}


def gathered(environ: Mapping[str, str]) -> Gathered:
    """What files and `environ` name, not yet checked, and where each came from.

    Raises:
        SettingsError: a file cannot be read, or nothing reads a variable below `NETRA_`.
    """
    name = environ.get("NETRA_ENV", "development")
    path = CONFIG_DIR / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in CONFIG_DIR.glob("*.toml")))
        raise SettingsError(f"NETRA_ENV={name!r} names no environment; there are: {known}")
    found = of_file(path)
    if extra := environ.get("NETRA_CONFIG"):
        found |= of_file(Path(extra))
    known_variables = variables()
    # Netra's own names go over those that others understand too.
    for variable in (*ALIASES, *(known_variables.keys() - ALIASES)):
        if variable in environ:
            at = known_variables[variable]
            found[at] = Given(value=_listed(*at, environ[variable]), source=variable)
    for variable in unknown(environ, known_variables):
        keys = {name: type(group).__struct_fields__ for name, group in _groups().items()}
        refuse(variable, known_variables, keys)
    found["environment", ""] = Given(value=name, source="NETRA_ENV")
    return found


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from files and `environ` (default: the process's environment).

    Raises:
        SettingsError: a file or variable is not understood, or a value is out of its range; it
            names which, and what would do.
    """
    found = gathered(os.environ if environ is None else environ)
    merged: dict[str, Any] = {}
    for (group, key), given in found.items():
        value = given.value
        if (group, key) == ("logging", "level") and isinstance(value, str):
            value = value.upper()
        if key:
            merged.setdefault(group, {})[key] = value
        else:
            merged[group] = value
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as e:
        raise SettingsError(_why(e, merged, found)) from e
    _check(settings, found)
    return settings


@cache
def current() -> Settings:
    """The process's settings, read once."""
    return load()


def of_process() -> Settings:
    """The process's settings; with wrong ones it ends here, and one line says why."""
    with fatal():
        return current()


@contextmanager
def fatal() -> Iterator[None]:
    """Ends the process if the settings do not let it run: a traceback would help nobody."""
    try:
        yield
    except SettingsError as e:
        print(f"netra: {e.detail}", file=sys.stderr)
        sys.exit(WRONG_SETTINGS)


def _groups() -> dict[str, Group]:
    plain = Settings()
    values = {name: getattr(plain, name) for name in Settings.__struct_fields__}
    return {name: value for name, value in values.items() if isinstance(value, Group)}


def _listed(group: str, key: str, value: str) -> Any:
    if isinstance(getattr(_groups()[group], key), tuple):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _why(error: msgspec.ValidationError, merged: dict[str, Any], found: Gathered) -> str:
    """What msgspec refused, by the name that somebody wrote."""
    from netra.validation import problem_of

    problem = problem_of(error, merged, Settings)
    group, _, key = problem.where.partition("[")[0].partition(".")
    given = found.get((group, key)) or next((g for at, g in found.items() if at[0] == group), None)
    if given is None:
        return f"{problem.where}: {problem.problem}, expected {problem.expected}"
    if problem.problem == "unknown field":
        known = (problem.expected or "").removeprefix("one of: ")
        where = f"[{group}]" if key else "a settings file"
        return f"{given.source}: {key or group} is no setting; {where} has: {known}"
    return _refusal((group, key), given)


def _refusal(at: tuple[str, str], given: Given) -> str:
    kind = kinds(at[0])[at[1]]
    form = settings_rules.form_of(kind)
    named = given.source if given.source in variables() else f"{at[1]} in {given.source}"
    shown = "" if form and form.secret else f"={given.value!r}"
    if isinstance(given.value, list) and given.source in variables():
        shown = f"={','.join(map(str, given.value))!r}"
    must = settings_rules.in_words(kind)
    return f"{named}{shown} is not accepted: {'.'.join(at)} must be {must}"


@cache
def kinds(group: str) -> dict[str, Any]:
    """The types of a group's settings, with their ranges and forms, by key."""
    return get_type_hints(type(_groups()[group]), include_extras=True)


def _check(settings: Settings, found: Gathered) -> None:
    """Raises SettingsError for a text of a wrong form, and for values that do not go together."""
    for at, given in found.items():
        value = getattr(getattr(settings, at[0]), at[1]) if at[1] else None
        if isinstance(value, str | tuple) and settings_rules.refused(value, kinds(at[0])[at[1]]):
            raise SettingsError(_refusal(at, given))
    queue = settings.queue
    for less, more, times, why in (
        ("heartbeat_s", "lease_s", 2, "one late heartbeat would lose a living worker's stages"),
        ("heartbeat_s", "worker_stale_s", 2, "one late heartbeat would take a worker's slots away"),
        ("backoff_s", "backoff_max_s", 1, "no delay would be as long as the first"),
    ):
        low, high = getattr(queue, less), getattr(queue, more)
        if high < times * low or (times > 1 and high == times * low):
            raise SettingsError(
                f"{_named(('queue', more), found)}={high:g} does not go with"
                f" {_named(('queue', less), found)}={low:g}: it must be"
                f" {f'more than {times} times as long' if times > 1 else 'as long at least'},"
                f" or {why}"
            )


def _named(at: tuple[str, str], found: Gathered) -> str:
    """The variable of a setting, whoever set it: it is what can be changed everywhere."""
    own = f"NETRA_{at[0].upper()}_{at[1].upper()}"
    return found[at].source if at in found and found[at].source in variables() else own
