"""Pool and WebSocket figures of an API process, as its own `/metrics` gives them."""

from __future__ import annotations

from urllib.request import urlopen

from netra.cli.checks.check import Subject
from netra.embedded.ports import LOOPBACK

#: What is shown, of all that is counted.
_SHOWN = ("active_connections", "websocket_connections", "netra_database_pool")
_PORT = "metrics-api"


def of(on: Subject) -> dict[str, float]:
    """Figures by name; none where no API answers on its metrics port on this machine."""
    port = on.stack.ports.get(_PORT, 0) if on.stack and on.running else on.settings.metrics.port
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return read(text)


def read(text: str) -> dict[str, float]:
    """The shown figures in Prometheus' text; those of several labels are named by them."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        plain = name.partition("{")[0]
        if plain in _SHOWN:
            label = name.partition('="')[2].partition('"')[0]
            found[f"{plain.removeprefix('netra_')} {label}".strip()] = float(value)
    return found
