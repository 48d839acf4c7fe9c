"""The agent's way back: ticks, cancellation and checkpoints of one claimed stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from netra.agents.seeding import seed_of
from netra.engine.claim import Claim
from netra.errors import NetraError, StoreUnavailable
from netra.progress.publish import tick
from netra.progress.resp import Command
from netra.settings import Settings
from netra.store.queue import Queue
from netra.tasks import device

Say = Callable[[Sequence[Command]], None]

#: Largest checkpoint or result, bytes.
MAX_JSON_BYTES = 256_000


class StageContext:
    """Implements `netra.agents.base.Context` for a stage that a worker holds."""

    def __init__(
        self, claim: Claim, queue: Queue, say: Say, settings: Settings, device_name: str
    ) -> None:
        """
        Args:
            say: tells Redis what may be lost, after what was to be said of the stage before.
        """
        self.claim = claim
        self.queue = queue
        self.say = say
        self.settings = settings
        self.restored = claim.checkpoint
        self.device = device_name
        self.seed = seed_of(claim.agent, claim.params)
        self._ticked_at = float("-inf")
        self._asked_at = time.monotonic()
        self._stop = False

    @property
    def array_namespace(self) -> Any:
        """Imported when an agent asks for it: most stages never do."""
        return device.namespace(self.device)

    def progress(self, fraction: float, message: str = "") -> None:
        now = time.monotonic()
        if now - self._ticked_at < self.settings.progress.tick_interval_s and fraction < 1:
            return
        self._ticked_at = now
        c = self.claim
        batch = str(c.batch_id) if c.batch_id else None
        fraction = min(max(fraction, 0.0), 1.0)
        job = str(c.job_id)
        self.say(tick(c.tenant_id, job, batch, c.name, fraction, message))

    def cancelled(self) -> bool:
        now = time.monotonic()
        if not self._stop and now - self._asked_at >= 0.5:
            self._asked_at = now
            try:
                self._stop = self.queue.should_stop(self.claim.stage_id, self.claim.fence)
            except StoreUnavailable:
                pass  # nobody says stop; the lease decides when the store is back
        return self._stop

    def checkpoint(self, state: Any) -> None:
        size = len(msgspec.json.encode(state))
        if size > MAX_JSON_BYTES:
            raise NetraError(f"a checkpoint of {size} bytes is over {MAX_JSON_BYTES}")
        self.queue.checkpoint(self.claim.stage_id, self.claim.fence, state)
