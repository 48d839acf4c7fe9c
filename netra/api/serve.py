"""`python -m netra.api.serve`: the API as a process."""

from __future__ import annotations

import gc
import ipaddress
import resource
import socket
import sys

import uvicorn
from litestar import Litestar

from netra import settings as settings_module
from netra import tracing
from netra.api import metrics
from netra.api.app import create_app
from netra.api.services import Services
from netra.api.wire import Protocol
from netra.errors import SettingsError
from netra.logging import configure
from netra.settings import Settings
from netra.store import clickhouse, postgres, redis

#: Streams and sockets are closed this long after the process was asked to end, seconds.
_GRACE_S = 10
#: The longest message that a client may send over a socket, bytes.
_MESSAGE_BYTES = 1 << 20
#: Python looks for garbage after so many new objects that are still there. What requests make goes
#: with them; sixty at once hold more than the usual 700, and each look at those finds nothing. With
#: 10,000 the process was 24 MB larger under full load.
_OBJECTS = 2_000


class Server(uvicorn.Server):
    """Ends streams when it is asked to go, rather than waiting for jobs to end."""

    def __init__(self, config: uvicorn.Config, app: Litestar) -> None:
        super().__init__(config)
        self.app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        services: Services | None = self.app.state.get("services")
        if services is not None:
            metrics.serve(services)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        services: Services | None = self.app.state.get("services")
        if services is not None:
            services.hub.end()
        await super().shutdown(sockets)


def server(settings: Settings, host: str, port: int) -> Server:
    """The server, set up as it should be."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws=Protocol,
        # A compressor for each connection costs more memory than it saves in traffic.
        ws_per_message_deflate=False,
        ws_max_size=_MESSAGE_BYTES,
        timeout_graceful_shutdown=_GRACE_S,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.api.trusted_proxies),
        forwarded_allow_ips=list(settings.api.trusted_proxies),
    )
    return Server(config, app)


def _check(settings: Settings) -> None:
    """Raises SettingsError if an address cannot be one: waiting would not mend that."""
    _check_proxies(settings.api.trusted_proxies)
    postgres.dsn(settings.database)
    redis.check_url(settings.redis)
    if settings.clickhouse.url:
        clickhouse.database_of(settings.clickhouse)


def _take_files() -> None:
    """Raises the soft limit of open files to the hard one: every client needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _calm_collector() -> None:
    """What is loaded by now stays, and is not looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])


def _check_proxies(trusted: tuple[str, ...]) -> None:
    """Uvicorn takes what is no address for a name, and then trusts nobody."""
    for given in trusted:
        try:
            ipaddress.ip_network(given)
        except ValueError as e:
            raise SettingsError(
                f"api.trusted_proxies: {e}; give addresses or networks, e.g. 10.0.0.0/16"
            ) from e


def main() -> None:
    settings = settings_module.of_process()
    configure("api", settings.logging)
    try:
        _check(settings)
        tracing.start("api", settings)
    except SettingsError as e:
        print(f"netra api: {e.detail}", file=sys.stderr)
        sys.exit(2)
    _take_files()
    running = server(settings, settings.api.host, settings.api.port)
    _calm_collector()
    try:
        running.run()
    finally:
        tracing.stop()
    if not running.started:
        sys.exit(3)


if __name__ == "__main__":
    main()
