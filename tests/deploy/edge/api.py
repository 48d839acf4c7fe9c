"""API processes of a stack, each on a loopback address of its own, as replicas behind one name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from netra.embedded.info import StackInfo
from netra.embedded.ports import LOOPBACK


class Replica:
    """`python -m netra.api.serve` on `address`, as compose runs it."""

    def __init__(self, stack: StackInfo, address: str, port: int, folder: Path) -> None:
        self.address = address
        self.port = port
        self.log = folder / f"api-{address}.log"
        self.environment = {
            **os.environ,
            **stack.environment,
            "NETRA_API_HOST": address,
            "NETRA_API_PORT": str(port),
            "NETRA_API_TRUSTED_PROXIES": f"{LOOPBACK}/32",
            "NETRA_API_SPOOL_DIR": str(folder / f"spool-{address}"),
            "NETRA_METRICS_PORT": "0",
            "NETRA_LOGGING_FORMAT": "json",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "netra.api.serve"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self, timeout_s: float = 40.0) -> None:
        """Until it serves."""
        import httpx

        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            try:
                httpx.get(f"http://{self.address}:{self.port}/health")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the API on {self.address} does not serve: {self.log.read_text()}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.log.read_text().splitlines()]

    def spooled(self) -> int:
        """Bytes of the upload that it is reading now."""
        assert self.process is not None
        sizes = [0]
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                if "netra-upload-" in os.readlink(entry):
                    sizes.append(entry.stat().st_size)
            except FileNotFoundError:
                continue
        return max(sizes)
