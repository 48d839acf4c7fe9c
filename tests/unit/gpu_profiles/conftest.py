"""The installed package, without a network; skipped where it has no wheel."""

from __future__ import annotations

import importlib.metadata
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netra.gpu_profiles.installed import DISTRIBUTION
from netra.gpu_profiles.profiles import GpuProfiles
from netra.gpu_profiles.silicon import Measurement, measurements

try:
    importlib.metadata.version(DISTRIBUTION)
    _MISSING = False
except importlib.metadata.PackageNotFoundError:
    _MISSING = True

needs_package = pytest.mark.skipif(_MISSING, reason=f"needs {DISTRIBUTION}: Linux, x86-64")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"a socket was opened: {args}")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def few_measurements() -> list[Measurement]:
    """Those of vLLM on Hopper, one of three: all of them take a minute to predict."""
    hopper = ("h100_sxm", "h200_sxm")
    found = [
        row
        for row in measurements()
        if row.deployed.engine == "vllm" and row.deployed.gpu in hopper
    ]
    return found[::3]


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuProfiles]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netra.gpu_profiles.correcting.measurements", few_measurements)
        yield GpuProfiles(Path(tmp_path_factory.mktemp("profiles")))
