from __future__ import annotations

import threading
import time
from typing import Any

from netra.analysis.compiled import kernel


@kernel
def spin(steps: int) -> int:
    state = 1
    for _ in range(steps):
        state = (state * 48_271) % 2_147_483_647
    return state


def test_other_threads_run_beside_a_kernel() -> None:
    spin(1)
    worker = threading.Thread(target=spin, args=(100_000_000,))
    worker.start()
    beats = 0
    while worker.is_alive():
        time.sleep(0.005)
        beats += 1
    # With the interpreter lock held there would be one.
    assert beats > 5


def test_code_that_no_file_holds_is_compiled_without_being_kept() -> None:
    namespace: dict[str, Any] = {}
    exec("def double(x):\n    return 2 * x\n", namespace)
    assert kernel(namespace["double"])(21) == 42
