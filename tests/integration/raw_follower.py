"""A follower that trusts nothing: it records what the server sends, doubles and holes included."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from netra.embedded.info import StackInfo

TERMINAL = {"job.succeeded", "job.failed", "job.cancelled"}


class RawFollower:
    """Follows one job from a position to its terminal fact, coming back whenever it is cut off."""

    def __init__(self, stack: StackInfo, job_id: str, *, after_seq: int = 0) -> None:
        self.stack = stack
        self.job_id = job_id
        self.after_seq = after_seq
        self.facts: list[dict[str, Any]] = []
        self.ticks = 0
        self.connections = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> list[dict[str, Any]]:
        assert self._done.wait(timeout_s), f"no terminal fact after {timeout_s} s: {self.seqs}"
        self._thread.join()
        return self.facts

    @property
    def seqs(self) -> list[int]:
        return [fact["seq"] for fact in self.facts]

    def _run(self) -> None:
        while not self._done.is_set():
            try:
                self._listen()
            except (OSError, WebSocketException):
                time.sleep(0.1)

    def _listen(self) -> None:
        url = self.stack.api_url.replace("http://", "ws://") + "/ws"
        headers = {"Authorization": f"Bearer {self.stack.api_key}"}
        with connect(url, additional_headers=headers, open_timeout=20) as socket:
            self.connections += 1
            position = self.seqs[-1] if self.facts else self.after_seq
            socket.send(
                json.dumps(
                    {
                        "type": "subscribe",
                        "job_id": self.job_id,
                        "after_seq": position,
                        "epoch": 1,
                    }
                )
            )
            for message in socket:
                self._record(json.loads(message))
                if self._done.is_set():
                    return

    def _record(self, message: dict[str, Any]) -> None:
        if message["type"] == "tick":
            self.ticks += 1
        if message["type"] == "fact":
            self.facts.append(message)
            if message["kind"] in TERMINAL:
                self._done.set()
