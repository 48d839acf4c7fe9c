"""`python -m workers.scheduler`: admits stages, takes back lost ones; several may run."""

from __future__ import annotations

import logging
import signal
from typing import Any

from netra import metrics_server, tracing
from netra import settings as settings_module
from netra.engine.scheduler import Scheduler
from netra.engine.sweeper import Sweeper
from netra.heartbeat import Heartbeat
from netra.logging import configure
from netra.store import ingest, leftover_tables, postgres, redis
from netra.tasks.app import app
from netra.tasks.dispatch import CeleryDispatch

log = logging.getLogger(__name__)


def main() -> None:
    settings = settings_module.of_process()
    configure("scheduler", settings.logging)
    with settings_module.fatal():
        postgres.dsn(settings.database)
        redis.check_url(settings.redis)
        tracing.start("scheduler", settings)
    metrics_server.start(settings.metrics)
    heartbeat = Heartbeat(settings.health, "scheduler")
    scheduler = Scheduler(settings, CeleryDispatch(app, settings.redis), beat=heartbeat.beat)
    sweeper = Sweeper(settings.database, _sweep)

    def leave(*_: Any) -> None:
        scheduler.stop.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    sweeper.start()
    try:
        scheduler.run()
    finally:
        sweeper.close()
        tracing.stop()


def _sweep(connection: postgres.Connection) -> None:
    """Removes the rows of ingests that failed or died, and the tables of attempts that lost."""
    stages = leftover_tables.waiting(connection)
    if not stages and not ingest.leftovers(connection):
        return
    # Loads Arrow and ClickHouse's driver: only when there is something to do.
    from netra.ingest.load import sweep
    from netra.store import clickhouse

    client = clickhouse.connect(settings_module.current().clickhouse)
    try:
        log.info("removed what %d ingests left behind", sweep(client, connection))
        cleaned = leftover_tables.sweep(client, connection, stages)
        log.info("removed what losing attempts of %d stages left behind", cleaned)
    finally:
        client.close()


if __name__ == "__main__":
    main()
