from __future__ import annotations

import psutil
import pyarrow as pa

from netra.memory import give_back


def test_what_a_large_batch_needed_is_given_back() -> None:
    process = psutil.Process()
    pieces = [bytes(50_000) for _ in range(2_000)]  # too small for malloc to map each by itself
    table = pa.table({"x": pa.array(range(2_000_000))})
    held = process.memory_info().rss
    del pieces, table
    give_back()
    assert process.memory_info().rss < held - 50_000_000
