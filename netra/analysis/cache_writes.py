"""A provider's prompt cache when each request decides whether, and for how long, it writes.

What a request does not write, later ones cannot read. The model, of a cache that is keyed by
prefix and whose lifetime is bought at the write (as Anthropic documents its own):

- a request reads the longest prefix of its blocks that are alive; reading begins their lifetime
  anew, at the length at which they were written, and costs the read price alone;
- what follows is written for the lifetime that the request chooses, or not at all: then it is not
  in the cache, and the next request finds the prefix no longer than this one did;
- blocks behind the first one that is not alive cannot be read, and a request that writes replaces
  them.

With one choice for all requests this is `ttl_cache`. Cost: O(segments); 12 bytes for each segment.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from netra.analysis.compiled import Int32s, Int64s, kernel
from netra.analysis.prompt_segments import Segments

Actions = npt.NDArray[np.int8]


def replay_writes(
    times_us: Int64s, segments: Segments, actions: Actions, lifetimes_us: Int64s
) -> Int32s:
    """How many leading blocks each request reads from the cache.

    Args:
        times_us: when each request starts, ascending within a cache; shape (n,).
        segments: the prompts' blocks, of which no two caches share any.
        actions: what each request does, an index into `lifetimes_us`; shape (n,).
        lifetimes_us: how long what is written lives after each use; 0: nothing is written.

    Returns:
        Shape (n,).
    """
    return _replay(
        times_us, segments.ids, segments.lengths, segments.offsets, actions,
        np.asarray(lifetimes_us, np.int64), np.zeros(segments.count, np.int64),
        np.zeros(segments.count, np.int64),
    )  # fmt: skip


@kernel
def _replay(
    times: Int64s,
    ids: Int32s,
    lengths: Int32s,
    offsets: Int64s,
    actions: Actions,
    lifetimes: Int64s,
    last_use: Int64s,
    lifetime: Int64s,
) -> Int32s:
    """`lifetime` of a segment is 0 while it was never written."""
    read = np.zeros(len(times), np.int32)
    for i in range(len(times)):
        now = times[i]
        j = offsets[i]
        stop = offsets[i + 1]
        while j < stop:
            segment = ids[j]
            if lifetime[segment] == 0 or now - last_use[segment] > lifetime[segment]:
                break
            last_use[segment] = now
            read[i] += lengths[j]
            j += 1
        bought = lifetimes[actions[i]]
        if bought > 0:
            while j < stop:
                last_use[ids[j]] = now
                lifetime[ids[j]] = bought
                j += 1
    return read
