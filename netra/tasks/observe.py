"""What surrounds a stage: its log context and line, its span in the job's trace."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from netra import tracing
from netra.engine.claim import Claim
from netra.logging import bind
from netra.tasks.execute import Completed, Failed, Outcome, Released

log = logging.getLogger(__name__)


class observed:  # noqa: N801 - used like a function
    """Surrounds the run of a claimed stage; nothing of it asks a store."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._began = time.perf_counter()
        self._bound = bind(
            tenant_id=claim.tenant_id,
            job_id=claim.job_id,
            stage=claim.name,
            stage_id=claim.stage_id,
            attempt=claim.attempt,
            agent=claim.agent,
            trace_id=tracing.trace_id(claim.traceparent),
        )
        self._span = tracing.span(f"stage {claim.agent}", claim.traceparent, "consumer")

    def __enter__(self) -> observed:
        self._bound.__enter__()
        if tracing.on():
            self._span.add(_attributes(self.claim))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._span.__exit__(kind, error, trace)
        self._bound.__exit__(kind, error, trace)

    def ended(self, outcome: Outcome) -> None:
        """The outcome is in the database: it is said in one line."""
        seconds = time.perf_counter() - self._began
        name = outcome_name(outcome)
        log.info(
            "stage %s %s in %.3f s",
            self.claim.name,
            name,
            seconds,
            extra={"outcome": name, "seconds": round(seconds, 6), "pool": self.claim.pool},
        )
        if tracing.on():
            self._span.add({"netra.outcome": name})
            if isinstance(outcome, Failed):
                self._span.fail(f"{outcome.error['type']}: {outcome.error['message']}")


def outcome_name(outcome: Outcome) -> str:
    """`succeeded`, `failed` (again or for good), `released` or `stopped`."""
    match outcome:
        case Completed():
            return "succeeded"
        case Failed():
            return "failed"
        case Released():
            return "released"
        case _:
            return "stopped"


def _attributes(claim: Claim) -> dict[str, str | int]:
    return {
        "netra.tenant_id": claim.tenant_id,
        "netra.job_id": str(claim.job_id),
        "netra.stage": claim.name,
        "netra.stage_id": str(claim.stage_id),
        "netra.agent": claim.agent,
        "netra.pool": claim.pool,
        "netra.attempt": claim.attempt,
    }
