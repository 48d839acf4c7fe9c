"""Work that no wake-up came for: the broker is away, or lost one.

A thread of each worker's process looks into PostgreSQL now and then while the process is idle. So
an outage of the broker delays stages by a second or two, and stops none.
"""

from __future__ import annotations

import logging
import threading

from netra.errors import NetraError
from netra.tasks.child import Child

log = logging.getLogger(__name__)


class Lookout:
    def __init__(self, child: Child, every_s: float) -> None:
        self.child = child
        self.every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Looks no more; waits for the stage that was found, if there is one."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            try:
                self.child.look(self.every_s)
            except NetraError as e:
                log.warning("no look for waiting stages: %s", e)
            except Exception:
                log.exception("no look for waiting stages")
