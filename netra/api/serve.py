"""`python -m netra.api.serve`: the API as a process."""

from __future__ import annotations

import sys

import uvicorn

from netra import settings as settings_module
from netra.api.app import create_app
from netra.errors import SettingsError
from netra.logging import configure
from netra.store import postgres

#: Streams and sockets are closed this long after the process was asked to end, seconds.
_GRACE_S = 10
#: The longest message that a client may send over a socket, bytes.
_MESSAGE_BYTES = 1 << 20


def main() -> None:
    settings = settings_module.current()
    configure("api", settings.logging)
    try:
        postgres.dsn(settings.database)
    except SettingsError as e:
        sys.exit(f"netra api: {e.detail}")
    uvicorn.run(
        create_app(settings),
        host=settings.api.host,
        port=settings.api.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        # A compressor for each connection costs more memory than it saves in traffic.
        ws_per_message_deflate=False,
        ws_max_size=_MESSAGE_BYTES,
        timeout_graceful_shutdown=_GRACE_S,
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
