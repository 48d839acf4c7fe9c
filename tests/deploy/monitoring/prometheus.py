"""A real Prometheus over a running stack: the shipped configuration, with the stack's ports."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.deploy.monitoring.artefacts import MONITORING


@dataclass(frozen=True)
class Prometheus:
    url: str

    def get(self, path: str, **query: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(query)}", timeout=20) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        return self.get("query", query=expression)["result"]


def rendered(configuration: Path, pods: list[dict[str, Any]], folder: Path) -> Path:
    """The shipped configuration with targets of this machine, looked at each second.

    Only how pods are found is replaced: each carries the labels that Kubernetes (or Docker's DNS)
    would give it, and the rules that turn them into targets are the shipped ones.
    """
    given = yaml.safe_load(configuration.read_text())
    given["global"] = {
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "evaluation_interval": "1s",
    }
    given.pop("alerting", None)
    # What is no process of Netra's has a fixed address, and is not here.
    jobs = [job for job in given["scrape_configs"] if "static_configs" not in job]
    given["scrape_configs"] = jobs
    for job in jobs:
        for found_by in ("kubernetes_sd_configs", "dns_sd_configs"):
            job.pop(found_by, None)
        job["static_configs"] = pods
    shutil.copytree(MONITORING / "prometheus" / "rules", folder / "rules", dirs_exist_ok=True)
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(given))
    return path


@contextmanager
def running(configuration: Path, port: int, folder: Path) -> Iterator[Prometheus]:
    """Serves until the block ends; its data is in `folder`."""
    log = (folder / "prometheus.log").open("w")
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    one = Prometheus(f"http://127.0.0.1:{port}")
    try:
        _wait_until_ready(one, process, folder)
        yield one
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _wait_until_ready(one: Prometheus, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        try:
            with urlopen(f"{one.url}/-/ready", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("Prometheus is not ready")
