from __future__ import annotations

from netra.cli.api_figures import read


def test_pool_and_socket_figures_are_read_from_the_metrics() -> None:
    text = (
        "# HELP websocket_connections Open WebSockets\n"
        "websocket_connections 3.0\n"
        'netra_database_pool{state="open"} 4.0\n'
        'netra_database_pool{state="waiting"} 0.0\n'
        "process_resident_memory_bytes 1e+08\n"
    )
    assert read(text) == {
        "websocket_connections": 3.0,
        "database_pool open": 4.0,
        "database_pool waiting": 0.0,
    }
