"""What surrounds a stage: its log context and line, its span in the job's trace."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
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
        #: What came of it, and after how long, seconds; once it has run.
        self.outcome: Outcome | None = None
        self.seconds = 0.0
        self._began = time.perf_counter()
        self._bound = self.bound()
        self._span = tracing.span(f"stage {claim.agent}", claim.traceparent, "consumer")

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._began

    def bound(self) -> AbstractContextManager[None]:
        """What log lines say of the stage."""
        claim = self.claim
        return bind(
            tenant_id=claim.tenant_id,
            job_id=claim.job_id,
            stage=claim.name,
            stage_id=claim.stage_id,
            attempt=claim.attempt,
            agent=claim.agent,
            trace_id=tracing.trace_id(claim.traceparent),
        )

    def __enter__(self) -> observed:
        self._bound.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = self.elapsed()
        if tracing.on():
            self._span.add(_attributes(self.claim))
            if self.outcome is not None:
                self._span.add({"netra.outcome": outcome_name(self.outcome)})
            if isinstance(self.outcome, Failed):
                self._span.fail(f"{self.outcome.error['type']}: {self.outcome.error['message']}")
        self._span.__exit__(kind, error, trace)
        self._bound.__exit__(kind, error, trace)

    def ended(self, outcome: Outcome) -> None:
        """The outcome is in the database: it is said in one line."""
        name = outcome_name(outcome)
        with self.bound():
            log.info(
                "stage %s %s in %.3f s",
                self.claim.name,
                name,
                self.seconds,
                extra={"outcome": name, "seconds": round(self.seconds, 6), "pool": self.claim.pool},
            )


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
