"""`python -m workers.flower`: Flower behind credentials of its own, on the loopback unless told."""

from __future__ import annotations

import os

from netra import settings as settings_module
from netra.errors import SettingsError
from netra.logging import configure
from netra.tasks.app import app

#: Tasks that Flower keeps in memory, about a kilobyte each; its own limit is 100,000.
_TASKS = 10_000


def _close_open_routes() -> None:
    """Flower answers these two without credentials; here nothing does."""
    # Flower loads its templates and Prometheus' client: only where it runs.
    from flower import urls
    from flower.views import monitor
    from tornado.web import authenticated

    closed = {
        route: type(route.__name__, (route,), {"prepare": authenticated(route.prepare)})
        for route in (monitor.Metrics, monitor.Healthcheck)
    }
    urls.handlers[:] = [
        (route[0], closed[route[1]]) if isinstance(route, tuple) and route[1] in closed else route
        for route in urls.handlers
    ]


def main() -> None:
    configure("flower", settings_module.of_process().logging)
    user, password = os.environ.get("NETRA_FLOWER_USER"), os.environ.get("NETRA_FLOWER_PASSWORD")
    with settings_module.fatal():
        if not user or not password:
            raise SettingsError("Flower needs NETRA_FLOWER_USER and NETRA_FLOWER_PASSWORD")
    _close_open_routes()
    # Flower asks the broker by itself, and goes by the name of its transport.
    app.conf.broker_transport = None
    # Read from the environment by Flower itself, so that no process list shows it.
    os.environ["FLOWER_BASIC_AUTH"] = f"{user}:{password}"
    app.start(
        [
            "--quiet",
            "flower",
            f"--address={os.environ.get('NETRA_FLOWER_HOST', '127.0.0.1')}",
            f"--port={os.environ.get('NETRA_FLOWER_PORT', '5555')}",
            f"--max-tasks={_TASKS}",
            "--logging=warning",
        ]
    )


if __name__ == "__main__":
    main()
