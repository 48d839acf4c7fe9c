from __future__ import annotations

import logging
import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from netra import metrics_server
from netra.settings import Metrics


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_metrics_are_served_where_the_settings_say_and_nothing_else() -> None:
    port = free_port()
    stop = metrics_server.start(Metrics(port=port))
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        assert "# TYPE http_requests_total counter" in text
        with pytest.raises(HTTPError, match="404") as refused:
            urlopen(f"http://127.0.0.1:{port}/other")
        refused.value.close()
    finally:
        stop()


def test_port_zero_serves_nothing() -> None:
    metrics_server.start(Metrics(port=0))()


def test_a_port_that_is_taken_costs_the_metrics_alone(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.ERROR):
        metrics_server.start(Metrics(port=taken.getsockname()[1]))()
    assert "metrics are not served" in caplog.text
