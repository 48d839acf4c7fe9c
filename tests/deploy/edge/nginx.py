"""compose/nginx.conf, with ports, names and folders of a test in place of compose's."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from netra.embedded.ports import is_open
from tests.deploy.tools import ROOT

CONF = ROOT / "compose" / "nginx.conf"
_TIMEOUT = re.compile(r"(proxy_(?:read|send)_timeout) (\d+)s;")


@dataclass(kw_only=True)
class Nginx:
    """A real nginx in `folder`; `tls` holds a certificate."""

    folder: Path
    tls: Path
    http: int
    https: int
    names: int
    backend: int
    frontend: int
    #: Proxy timeouts are divided by this.
    faster: int = 1
    conf: str = field(default_factory=CONF.read_text)
    _process: subprocess.Popen[bytes] | None = None

    def rendered(self) -> str:
        """The configuration; what a test replaces has to be there."""
        text = self.conf
        for ours, theirs in {
            "resolver 127.0.0.11 valid=5s": f"resolver 127.0.0.1:{self.names} valid=1s",
            "listen 80 ": f"listen 127.0.0.1:{self.http} ",
            "listen 443 ": f"listen 127.0.0.1:{self.https} ",
            "http://backend:8000": f"http://backend:{self.backend}",
            "http://frontend:3000": f"http://frontend:{self.frontend}",
            "/etc/nginx/tls": str(self.tls),
            "/run/nginx.pid": str(self.folder / "nginx.pid"),
            "/dev/stderr": str(self.folder / "error.log"),
            "/dev/stdout": str(self.folder / "access.log"),
        }.items():
            assert ours in text, f"compose/nginx.conf has no {ours!r} any more"
            text = text.replace(ours, theirs)
        return _TIMEOUT.sub(lambda m: f"{m[1]} {int(m[2]) * 1000 // self.faster}ms;", text)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "nginx.conf"
        path.write_text(self.rendered())
        self._process = subprocess.Popen(
            ["nginx", "-p", str(self.folder), "-c", str(path), "-g", "daemon off;"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        until = time.monotonic() + 10
        while not is_open(self.https):
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"nginx does not start: {self._said()}")
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=10)

    def _said(self) -> str:
        assert self._process is not None
        self._process.kill()
        said, _ = self._process.communicate()
        log = self.folder / "error.log"
        return said.decode() + (log.read_text() if log.exists() else "")

    def access(self) -> str:
        return (self.folder / "access.log").read_text()
