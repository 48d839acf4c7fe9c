"""How fast the simulator is with block hashes, on the Mooncake conversation trace at its own rate.

The settings are those of `serving_speed`. Beside it, in the same run: the same requests without
their hashes, which is what the hashes cost.
"""

from __future__ import annotations

import json
import time
from typing import Any, cast

import numpy as np

from benchmarks.serving_speed import REPLICAS, engine_and_table, timed
from netra.analysis.serving.prefixes import prefixes_of
from netra.analysis.serving.settings import Fleet, Routing
from netra.analysis.serving.simulator import simulate
from tests.shared_data import shared_data_dir

_BLOCK_TOKENS = 512


def with_hashes() -> dict[str, Any]:
    """For each routing: rates, and what was found in the caches."""
    rows = [json.loads(line) for line in _lines()]
    arrival = np.array([row["timestamp"] for row in rows]) / 1e3
    prompt = np.array([row["input_length"] for row in rows], np.int64)
    output = np.maximum([row["output_length"] for row in rows], 1).astype(np.int64)
    offsets = np.cumsum([0, *(len(row["hash_ids"]) for row in rows)])
    hashes = np.array([one for row in rows for one in row["hash_ids"]], np.uint64)
    # The first call loads the compiled code.
    prefixes_of(offsets, hashes, prompt, block_tokens=_BLOCK_TOKENS)
    began = time.perf_counter()
    prefixes = prefixes_of(offsets, hashes, prompt, block_tokens=_BLOCK_TOKENS)
    tree_s = time.perf_counter() - began
    engine, table = engine_and_table()
    found: dict[str, Any] = {
        "blocks": len(hashes),
        "segments": len(prefixes.path),
        "tree_s": round(tree_s, 4),
    }
    for routing in ("round-robin", "least-loaded", "prefix-aware"):
        fleet = Fleet(engine=engine, replicas=REPLICAS, routing=cast(Routing, routing))

        def serve(fleet: Fleet = fleet, known: bool = True) -> Any:
            return simulate(
                arrival,
                prompt,
                output,
                fleet=fleet,
                table=table,
                prefixes=prefixes if known else None,
            )

        service, took_s, own_s = timed(serve)
        figures = {
            "requests_per_s": round(len(rows) / took_s),
            # Processor time, for others slow down the one and the other unlike.
            "decision_us": round(1e6 * own_s / service.decisions, 3),
            "cached_share": round(float(service.cached_tokens.sum() / prompt.sum()), 4),
            "ttft_p95_s": round(float(np.percentile(service.ttft_s, 95)), 3),
        }
        if routing != "prefix-aware":
            plain, _, plain_s = timed(lambda serve=serve: serve(known=False))
            figures |= {
                "decision_us_without": round(1e6 * plain_s / plain.decisions, 3),
                "ttft_p95_s_without": round(float(np.percentile(plain.ttft_s, 95)), 3),
            }
        found[routing] = figures
        print(f"with hashes, {routing}: {json.dumps(figures)}")
    return found


def _lines() -> list[str]:
    return (shared_data_dir() / "mooncake-conversation.jsonl").read_text().splitlines()
