"""Runs the agent of one claimed stage: loads its inputs, stores its tables, names its outcome."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from netra import tracing
from netra.agents.base import Inputs, StageResult, WorkloadInfo
from netra.agents.loading import load_agent
from netra.catalog import agents
from netra.catalog.agent import AgentSpec
from netra.engine.claim import Claim
from netra.engine.submit import fan_out_record
from netra.errors import (
    InsufficientData,
    InvalidInput,
    LeaseLost,
    NetraError,
    StageCancelled,
    StoreUnavailable,
    Unstorable,
)
from netra.gpu_profiles.lazily import InstalledProfiles
from netra.schemas.goal import Goal
from netra.store import inputs as store_inputs
from netra.store.queue import Queue
from netra.tasks.context import MAX_JSON_BYTES, StageContext
from netra.validation import ESCAPED_NUL, NUL, nuls

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

    from netra.store.series import Writer

log = logging.getLogger(__name__)

#: Opens the worker's ClickHouse client when an agent first needs it.
ClickHouse = Callable[[], "Client"]


@dataclass(frozen=True, kw_only=True)
class Completed:
    content: dict[str, Any]
    tables: list[str]
    fan_out: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Failed:
    error: dict[str, Any]
    #: Whether another attempt could end otherwise.
    retry: bool


@dataclass(frozen=True, kw_only=True)
class Released:
    """A store was away: no fault of the stage's."""

    reason: str


@dataclass(frozen=True)
class Stopped:
    """The stage was asked to stop, and did."""


Outcome = Completed | Failed | Released | Stopped


def execute(claim: Claim, queue: Queue, context: StageContext, clickhouse: ClickHouse) -> Outcome:
    """Runs the stage to an outcome; only a lost lease is raised."""
    try:
        spec = agents.get(claim.agent)
        params = spec.parse_params(claim.params)
        result = load_agent(spec)(load_inputs(claim, spec, queue, clickhouse), params, context)
        content = _checked(result)
        fan_out = _fan_out(claim, result)
        if result.tables:
            queue.wrote(claim.stage_id, claim.fence)
        for name, table in result.tables.items():
            _write_table(claim, clickhouse(), name, table)
    except StageCancelled:
        return Stopped()
    except LeaseLost:
        raise
    except StoreUnavailable as e:
        return Released(reason=e.detail)
    except InsufficientData as e:
        needs = {"status": "insufficient_data", "detail": e.detail, "needs": e.needs}
        return Completed(content=needs, tables=[], fan_out=None)
    except Exception as e:
        log.exception("stage %s of job %s failed", claim.name, claim.job_id)
        return failed(e)
    return Completed(content=content, tables=sorted(result.tables), fan_out=fan_out)


class ResultTooLarge(NetraError):
    """The agent's result is over the limit; large series belong in named tables."""


def failed(e: Exception) -> Failed:
    """What is stored of a stage that an exception ended."""
    message, trace = str(e)[:2000], "".join(traceback.format_exception(e))[-16_000:]
    error = {
        "type": type(e).__name__,
        # No text of PostgreSQL's can hold a NUL; an error that quotes one is still to be read.
        "message": message.replace(NUL, "\\0"),
        "traceback": trace.replace(NUL, "\\0"),
    }
    retry = not isinstance(e, InvalidInput | ResultTooLarge | Unstorable)
    return Failed(error=error, retry=retry)


def _checked(result: StageResult) -> dict[str, Any]:
    encoded = msgspec.json.encode(result.content)
    if len(encoded) > MAX_JSON_BYTES:
        raise ResultTooLarge(f"a result of {len(encoded)} bytes is over {MAX_JSON_BYTES}")
    content = msgspec.json.decode(encoded)
    if ESCAPED_NUL in encoded and (found := next(nuls(content), None)):
        where = ".".join(map(str, found[0])).replace(NUL, "\\0") or "its top"
        raise Unstorable(f"the result holds a NUL at {where}, which no text can be stored with")
    return content


def _fan_out(claim: Claim, result: StageResult) -> dict[str, Any] | None:
    fan_out = result.fan_out
    return fan_out_record(claim.name, fan_out.children, fan_out.merge) if fan_out else None


def load_inputs(claim: Claim, spec: AgentSpec, queue: Queue, clickhouse: ClickHouse) -> Inputs:
    """What the agent's catalog entry says that it needs, and no more."""
    connection = queue.connection
    info = WorkloadInfo(id="", name="", anchored=False, events=0)
    supply = None
    if claim.workload_id:
        row = store_inputs.workload(connection, claim.workload_id, claim.tenant_id)
        if row is None:
            raise InvalidInput(f"workload {claim.workload_id} is gone")
        info = WorkloadInfo(
            id=str(row["id"]),
            name=row["name"],
            anchored=bool(row["anchored"]),
            events=store_inputs.event_count(connection, claim.workload_id, claim.ingests),
            ingests=claim.ingests,
        )
        # Prices are read by those that read events; the import is not for the noop.
        from netra.catalog.supply import SupplyCatalog

        supply = SupplyCatalog(store_inputs.supply_rows(connection, claim.tenant_id))

    def events() -> Iterator[pa.RecordBatch]:
        from netra.store import events as store_events

        if claim.workload_id is None:
            raise InvalidInput(f"agent {spec.name!r} needs a workload")
        return store_events.stream(
            clickhouse(),
            tenant_id=claim.tenant_id,
            workload_id=claim.workload_id,
            ingest_ids=[UUID(ingest) for ingest in claim.ingests],
            columns=spec.columns,
        )

    def demand() -> Iterator[pa.RecordBatch]:
        from netra.store import demand as store_demand

        if claim.workload_id is None or not spec.reads_demand:
            return iter(())
        return store_demand.stream(
            clickhouse(),
            tenant_id=claim.tenant_id,
            workload_id=claim.workload_id,
            ingest_ids=[UUID(ingest) for ingest in claim.ingests],
        )

    return Inputs(
        job_id=str(claim.job_id),
        workload=info,
        goal=msgspec.convert(claim.goal, Goal),
        events=events,
        demand=demand,
        upstream=store_inputs.upstream(connection, claim.job_id, spec.upstream),
        parts=store_inputs.parts(connection, claim.job_id, claim.after) if claim.after else (),
        supply=supply,
        profiles=InstalledProfiles(),
        job_params=claim.job_params,
        trace_id=tracing.trace_id(claim.traceparent),
    )


def _write_table(claim: Claim, client: Client, name: str, table: pa.Table) -> None:
    from netra.store import series

    series.write(client, _writer(claim), name, table)


def _writer(claim: Claim) -> Writer:
    from netra.store.series import Writer

    return Writer(
        tenant_id=claim.tenant_id,
        job_id=claim.job_id,
        stage_id=claim.stage_id,
        attempt=claim.attempt,
    )
