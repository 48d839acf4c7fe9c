"""The LRU curve at all capacities beside a replay of one capacity, on the same references.

Both are given the same raw 64-bit block hashes, and both include turning them into places in an
array. The replay is what one would write for one capacity, compiled the same way, in two forms: a
hash map with open addressing, sized for the capacity, over a doubly linked list; and the list alone
over the dense ids that the curve itself uses (`BlockIds`, timed with it), so that a better encoding
is not what is compared. A replay that is handed dense ids for nothing is printed beside them.

The references are those of the coding-agent sessions where `NETRA_SHARED_DATA` has them, else
generated prompts of the same kind (sessions whose prompts grow by appending). Each rate is the
best of several rounds in turn, so that what others do on the machine falls on both alike.
`lru_curve_ratio` is against the fastest of the replays that begin with the raw hashes.

    python -m benchmarks.lru_curve [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np
import numpy.typing as npt

from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Bools, Int32s, UInt64s, kernel
from netra.analysis.lru_curve import LruCurve, lru_curve

#: Blocks; of 64 tokens each, 100,000 blocks are 6.4 million tokens.
CAPACITIES = (10_000, 100_000, 1_000_000)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@kernel
def _home(key: np.uint64, shift: np.uint64) -> np.int64:
    return np.int64(((key ^ (key >> np.uint64(32))) * _GOLDEN) >> shift)


@kernel
def _replay(
    blocks: UInt64s, capacity: int, shift: np.uint64, table: Int32s, keys: UInt64s,
    older: Int32s, newer: Int32s,
) -> int:  # fmt: skip
    """Hits of a cache of `capacity` blocks. Node `capacity` is the list's end and beginning."""
    mask = len(table) - 1
    end = capacity
    older[end] = end
    newer[end] = end
    used = 0
    hits = 0
    for i in range(len(blocks)):
        key = blocks[i]
        slot = _home(key, shift)
        while table[slot] != 0 and keys[table[slot] - 1] != key:
            slot = (slot + 1) & mask
        if table[slot] != 0:
            hits += 1
            node = table[slot] - 1
            newer[older[node]] = newer[node]
            older[newer[node]] = older[node]
        else:
            if used < capacity:
                node = used
                used += 1
            else:
                node = newer[end]
                newer[end] = newer[node]
                older[newer[node]] = end
                _remove(table, mask, keys, shift, node)
                slot = _home(key, shift)
                while table[slot] != 0:
                    slot = (slot + 1) & mask
            keys[node] = key
            table[slot] = node + 1
        newest = older[end]
        older[node] = newest
        newer[node] = end
        newer[newest] = node
        older[end] = node
    return hits


@kernel
def _remove(table: Int32s, mask: int, keys: UInt64s, shift: np.uint64, node: int) -> None:
    """Empties the node's slot, moving back what was pushed past it (Knuth, TAOCP 3, 6.4 R)."""
    slot = _home(keys[node], shift)
    while table[slot] != node + 1:
        slot = (slot + 1) & mask
    at = slot
    while True:
        at = (at + 1) & mask
        if table[at] == 0:
            break
        home = _home(keys[int(table[at]) - 1], shift)
        if ((at - home) & mask) >= ((at - slot) & mask):
            table[slot] = table[at]
            slot = at
    table[slot] = 0


def replay_one_capacity(blocks: UInt64s, capacity: int) -> int:
    """Hits of an LRU cache of one capacity."""
    bits = max(int(capacity).bit_length() + 1, 4)
    return _replay(
        blocks, capacity, np.uint64(64 - bits), np.zeros(1 << bits, np.int32),
        np.zeros(capacity, np.uint64), np.zeros(capacity + 1, np.int32),
        np.zeros(capacity + 1, np.int32),
    )  # fmt: skip


@kernel
def _replay_dense(ids: Int32s, capacity: int, older: Int32s, newer: Int32s, cached: Bools) -> int:
    used = 0
    hits = 0
    newest = np.int32(-1)
    oldest = np.int32(-1)
    for i in range(len(ids)):
        block = ids[i]
        if cached[block]:
            hits += 1
            if block == newest:
                continue
            before = older[block]
            after = newer[block]
            older[after] = before
            if before < 0:
                oldest = after
            else:
                newer[before] = after
        else:
            if used == capacity:
                cached[oldest] = False
                oldest = newer[oldest]
                if oldest < 0:
                    newest = np.int32(-1)
                else:
                    older[oldest] = -1
            else:
                used += 1
            cached[block] = True
        older[block] = newest
        newer[block] = -1
        if newest < 0:
            oldest = block
        else:
            newer[newest] = block
        newest = block
    return hits


def replay_dense(ids: Int32s, distinct: int, capacity: int) -> int:
    """Hits of an LRU cache of one capacity, of references that are encoded already."""
    older, newer = np.empty(distinct, np.int32), np.empty(distinct, np.int32)
    return _replay_dense(ids, capacity, older, newer, np.zeros(distinct, np.bool_))


def replay_encoded(blocks: UInt64s, capacity: int) -> int:
    """Hits of an LRU cache of one capacity: all references encoded, then replayed."""
    encoder = BlockIds()
    ids = encoder.encode(blocks)
    return replay_dense(ids, len(encoder), capacity)


def references() -> tuple[str, npt.NDArray[np.uint64]]:
    """What is replayed, and the block hashes in order; at least 10 million."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("NETRA_SHARED_DATA") or beside) / "coding-agent-sessions.parquet"
    if not path.exists():
        return "generated sessions", generated(sessions=400, seed=1)
    from netra.ingest.read import read

    _, batches = read(path)
    parts = [np.asarray(b.column("prefix_hashes").flatten(), np.uint64) for b in batches]
    return "coding-agent sessions", np.concatenate(parts)


def generated(sessions: int, seed: int) -> npt.NDArray[np.uint64]:
    """Prompts of sessions that take turns; each repeats its session's last one and goes on."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64 - 1, (sessions, 4_000), dtype=np.uint64, endpoint=True)
    lengths = np.zeros(sessions, np.int64)
    prompts = []
    for session in rng.integers(0, sessions, 70 * sessions).tolist():
        grown = min(lengths[session] + rng.integers(5, 60), hashes.shape[1])
        lengths[session] = grown
        prompts.append(hashes[session, :grown])
    return np.concatenate(prompts)


def timed(run: Callable[[], object]) -> float:
    start = process_time()
    run()
    return process_time() - start


def check(curve: LruCurve, blocks: UInt64s) -> None:
    """Both have to agree before either is timed."""
    for capacity in CAPACITIES:
        expected = curve.hits[min(capacity, curve.distinct)]
        for replay in (replay_one_capacity, replay_encoded):
            if replay(blocks, capacity) != expected:
                raise SystemExit(f"the curve and the replay of {capacity:,} blocks do not agree")


def measure(rounds: int) -> dict[str, float]:
    """References a second of the curve, of the fastest replay, and their ratio."""
    name, blocks = references()
    curve = lru_curve(blocks)
    check(curve, blocks)
    print(f"{name}: {len(blocks):,} references, {curve.distinct:,} distinct blocks")
    encoder = BlockIds()
    ids = encoder.encode(blocks)
    runs: dict[str, Callable[[], object]] = {"all capacities": lambda: lru_curve(blocks)}
    for c in CAPACITIES:
        runs[f"{c:,} blocks, hash map"] = lambda c=c: replay_one_capacity(blocks, c)
        runs[f"{c:,} blocks, encoded"] = lambda c=c: replay_encoded(blocks, c)
    given = f"{CAPACITIES[0]:,} blocks, ids given"
    runs[given] = lambda: replay_dense(ids, len(encoder), CAPACITIES[0])
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for what, run in runs.items():
            best[what] = min(best[what], timed(run))
    rates = {what: len(blocks) / seconds for what, seconds in best.items()}
    all_capacities = rates.pop("all capacities")
    print(f"{'all capacities':>28}: {all_capacities / 1e6:6.1f} M references/s")
    for what, rate in rates.items():
        print(f"{what:>28}: {rate / 1e6:6.1f} M references/s, ratio {all_capacities / rate:.2f}")
    del rates[given]
    fastest = max(rates.values())
    return {
        "lru_curve_refs_per_s": round(all_capacities),
        "single_capacity_refs_per_s": round(fastest),
        "lru_curve_ratio": round(all_capacities / fastest, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    print(json.dumps(measure(parser.parse_args().rounds)))


if __name__ == "__main__":
    main()
