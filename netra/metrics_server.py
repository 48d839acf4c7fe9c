"""Serves a process's metrics on a port of their own, to whoever the network lets through.

There is no key: the port is bound to the loopback, or closed by a network policy.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from netra.metrics import REGISTRY
from netra.settings import Metrics

log = logging.getLogger(__name__)

#: Makes the text of an answer.
Text = Callable[[], bytes]


def own() -> bytes:
    """What this process counted of itself."""
    return generate_latest(REGISTRY)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def start(settings: Metrics, text: Text = own) -> Callable[[], None]:
    """Serves `/metrics` from a thread, where the settings name a port; answers with what ends it.

    A port that cannot be had is said, and costs the metrics alone: the work goes on.
    """
    if not settings.port:
        return lambda: None

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/metrics"
            body = text() if found else b"there is nothing but /metrics\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST if found else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            log.debug(format, *args)

    try:
        server = _Server((settings.host, settings.port), Answer)
    except OSError as e:
        log.error("metrics are not served on %s:%d: %s", settings.host, settings.port, e)
        return lambda: None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
