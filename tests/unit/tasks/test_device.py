from __future__ import annotations

import pytest

from netra.errors import SettingsError
from netra.settings import Workers
from netra.tasks import device


def test_a_cpu_worker_runs_on_numpy() -> None:
    assert device.choose("cpu", Workers()) == "numpy"
    assert device.namespace("numpy").asarray([1, 2]).sum() == 3


@pytest.mark.skipif(device.gpu_count() > 0, reason="this machine has a GPU")
def test_a_gpu_worker_without_a_gpu_refuses_unless_allowed() -> None:
    with pytest.raises(SettingsError, match="NETRA_WORKERS_ALLOW_CPU_FALLBACK"):
        device.choose("gpu", Workers())
    assert device.choose("gpu", Workers(allow_cpu_fallback=True)) == "numpy"
