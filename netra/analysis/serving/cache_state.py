"""The records that hold what the ranks' KV caches know; `prefix_cache` has the rules.

The free blocks of a rank are a queue of extents: runs of blocks that were freed together, those to
be taken first in front. Segments of `prefixes` that running sequences hold are extents too, in no
queue. Blocks that a sequence holds for itself alone are only counted.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from netra.analysis.compiled import Int32s, Int64s
from netra.analysis.serving.engine_state import Records
from netra.analysis.serving.prefixes import Prefixes
from netra.analysis.serving.settings import Fleet
from netra.errors import InvalidInput, Problem

EXTENT: Final = np.dtype(
    [
        # What it holds: a segment, or the beginning of what request `owner` had for itself when it
        # was preempted; -1 for both: nothing that can be found.
        ("segment", np.int32),
        ("owner", np.int32),
        # How many blocks; the last ones are taken first.
        ("blocks", np.int32),
        # How many sequences hold it; none: it is in the queue.
        ("holders", np.int32),
        # Neighbours in the queue; `after` also links extents that are not in use.
        ("before", np.int32),
        ("after", np.int32),
        # The next copy of the same segment in the same cache.
        ("copy", np.int32),
    ]
)

QUEUE: Final = np.dtype(
    [
        # Both ends.
        ("first", np.int32),
        ("last", np.int32),
        # Of all blocks that the rank has ever taken from the front, how many the queue knows of.
        ("settled", np.int64),
        # An extent that is no longer in use, and the first that never was.
        ("spare", np.int32),
        ("fresh", np.int32),
        # Blocks that the first request that waits needs from the queue; 0 if they are to be
        # counted again.
        ("needed", np.int64),
    ],
    align=True,
)


class Cache(NamedTuple):
    """The contents of all ranks' caches, and the prompts' beginnings in the engine's blocks."""

    #: Request i begins with the segments `path[at[i] : at[i + 1]]`.
    at: Int64s
    path: Int32s
    #: The engine's blocks in a segment.
    sizes: Int32s
    #: The extent that holds a segment in a rank's cache, or -1; shape (segments, ranks).
    found: Int32s
    #: The extents that a running sequence holds; shape (len(path),).
    held: Int32s
    #: The extent with what a preempted request had for itself, or -1; shape (n,).
    private: Int32s
    extents: Records
    queues: Records


def new_cache(prefixes: Prefixes, fleet: Fleet) -> Cache:
    """Empty caches.

    Raises:
        InvalidInput: a hashed block is not a whole number of the engine's blocks.
    """
    engine = fleet.engine
    if prefixes.block_tokens % engine.block_tokens:
        wrong = Problem(
            where="prefixes.block_tokens",
            problem="is no multiple of the engine's block_tokens",
            got=prefixes.block_tokens,
            expected=f"a multiple of {engine.block_tokens}",
        )
        raise InvalidInput("hashed blocks do not end where blocks of the KV cache end", [wrong])
    at, path, sizes = _in_blocks(prefixes, prefixes.block_tokens // engine.block_tokens)
    places = fleet.replicas * engine.ranks
    # An extent has a block at least, and one is made before another ends.
    room = engine.kv_blocks + 2
    extents = np.zeros(places * room, EXTENT)
    queues = np.zeros(places, QUEUE)
    queues["first"] = queues["last"] = np.arange(places) * room
    queues["spare"] = -1
    queues["fresh"] = queues["first"] + 1
    for name in ("segment", "owner", "before", "after", "copy"):
        extents[name][queues["first"]] = -1
    extents["blocks"][queues["first"]] = engine.kv_blocks
    return Cache(
        at=at,
        path=path,
        sizes=sizes,
        found=np.full((len(sizes), places), -1, np.int32),
        held=np.full(len(path), -1, np.int32),
        private=np.full(len(prefixes), -1, np.int32),
        extents=extents,
        queues=queues,
    )


def _in_blocks(prefixes: Prefixes, blocks: int) -> tuple[Int64s, Int32s, Int32s]:
    """Paths and sizes in the engine's blocks, so many to a hashed one.

    The last block of a prompt that ends with it is computed even if it is cached, while the blocks
    before it are not: it becomes a segment of its own.
    """
    if blocks == 1 or not prefixes.last.any():
        return prefixes.offsets, prefixes.path, prefixes.blocks * np.int32(blocks)
    parts = np.where(prefixes.last, 2, 1)
    names = np.cumsum(parts) - parts
    sizes = np.repeat(prefixes.blocks * np.int32(blocks), parts).astype(np.int32)
    sizes[names[prefixes.last]] -= 1
    sizes[names[prefixes.last] + 1] = 1
    repeats = parts[prefixes.path]
    ends = np.cumsum(repeats)
    path = np.repeat(names[prefixes.path], repeats)
    path[ends[repeats == 2] - 1] += 1
    at = np.concatenate([np.zeros(1, np.int64), ends])[prefixes.offsets]
    return at.astype(np.int64), path.astype(np.int32), sizes
