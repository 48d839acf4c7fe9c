"""`python -m netra.embedded.clickhouse --path FOLDER --port PORT`.

User and password come from CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, which other users of the
machine cannot see, as they could a command line.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from netra import settings
from netra.embedded.clickhouse.engine import Engine
from netra.embedded.clickhouse.server import Access, ClickHouseServer, Service
from netra.embedded.ports import LOOPBACK
from netra.logging import configure

log = logging.getLogger("netra.embedded.clickhouse")

#: Statements under way at the end may take this long to finish, seconds.
_GRACE_S = 5.0
#: Memory is given back when no statement has ended for this long, seconds.
_IDLE_S = 2.0


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m netra.embedded.clickhouse")
    options.add_argument("--path", type=Path, required=True, help="folder of the data")
    options.add_argument("--port", type=int, required=True)
    given = options.parse_args()
    password = os.environ.get("CLICKHOUSE_PASSWORD", "")
    if not password:
        sys.exit("CLICKHOUSE_PASSWORD is not set")
    configure("clickhouse", settings.of_process().logging)
    access = Access(user=os.environ.get("CLICKHOUSE_USER", "netra"), password=password)
    serve(given.path, given.port, access)


def serve(folder: Path, port: int, access: Access) -> None:
    """Serves the folder on the loopback until SIGTERM or SIGINT, then closes it cleanly."""
    # Times without a zone of their own mean the same on every machine.
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    spool = folder / "spool"
    shutil.rmtree(spool, ignore_errors=True)  # what a killed server left of its inserts
    spool.mkdir(mode=0o700)
    service = Service(engine=Engine(folder), access=access, spool=spool)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with ClickHouseServer((LOOPBACK, port), service) as server:
        threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
        log.info("serving %s on port %d, engine %s", folder, port, service.engine.version)
        _release_memory_until(over, service)
        server.shutdown()
    if service.activity.quiet(_GRACE_S):
        service.engine.close()
    # Not `sys.exit`: threads of idle connections and of the engine have nothing left to do.
    logging.shutdown()
    os._exit(0)


def _release_memory_until(over: threading.Event, service: Service) -> None:
    """Waits for `over`, giving memory back whenever statements have come to rest."""
    released = seen = service.activity.ended()
    while not over.wait(_IDLE_S):
        ended = service.activity.ended()
        if ended == seen and ended != released:
            service.engine.release_memory()
            released = ended
        seen = ended


if __name__ == "__main__":
    main()
