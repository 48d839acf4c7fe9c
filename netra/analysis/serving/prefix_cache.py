"""What a rank's KV cache still holds of a prompt: vLLM's prefix caching, a segment at a time.

Source: vLLM's `KVCacheManager.get_computed_blocks` and `allocate_slots` and its `BlockPool`
(`vllm/v1/core`: `kv_cache_manager.py`, `block_pool.py`); the tests compare it with a twin of those
that goes block by block. A request that is admitted holds the longest beginning of its prompt that
is in the cache, together with whoever else does, and takes new blocks for the rest. What was found
is not computed, except that the last token always is. Blocks count as cached once they are
scheduled to be computed. A block that nobody holds any more joins the end of the queue of free
blocks with its content, the last one of a sequence first; it loses that when it is taken from the
front.
A block that is computed although it is cached (the last one of a prompt) exists twice from then on.
Generated blocks are found by the sequence that generated them, if it was preempted, but by no other
request: vLLM would find them in the next turn of a conversation, whose prompt repeats them, but
which blocks of a prompt are an earlier one's output is not recorded.

What a sequence held before, somebody may hold only with all that comes before it: so in the queue
the end of a prompt is in front of its beginning, and of each segment the end is lost first.

Taking blocks for generated tokens is only counted (`taken`); what that took from the queue is
made up for when the queue is next looked at.

Cost: O(segments of the path) for a request that starts, ends or is preempted; O(1) amortized for
what is taken.
"""

from __future__ import annotations

from netra.analysis.inlined import called, inlined
from netra.analysis.serving.cache_state import Cache
from netra.analysis.serving.engine_state import Record, Records


@called
def look_up(
    cache: Cache, requests: Records, rank: Record, q: int, i: int, block: int
) -> tuple[int, int]:
    """How many blocks of request i are in the cache of rank q, and how many of them are held."""
    _settle(cache, rank["taken"], q)
    most = (requests[i]["prompt"] - 1) // block
    blocks = 0
    held = 0
    whole = True
    for k in range(cache.at[i], cache.at[i + 1]):
        s = int(cache.path[k])
        size = int(cache.sizes[s])
        e = int(cache.found[s, q])
        whole = e >= 0 and blocks + size <= most
        if not whole:
            break
        extent = cache.extents[e]
        cached = extent["blocks"]
        if rank["partial"] >= 0 and _holds(cache, rank["partial"], k - cache.at[i], e):
            cached = min(cached, max(0, rank["read"] // block - blocks))
        blocks += cached
        if extent["holders"] > 0:
            held += cached
        whole = cached == size
        if not whole:
            break
    if whole and cache.private[i] >= 0:
        blocks += min(requests[i]["full"], cache.extents[cache.private[i]]["blocks"])
    return blocks, held


@inlined
def _holds(cache: Cache, i: int, k: int, e: int) -> bool:
    """Whether the extent is the k-th that running request i holds."""
    return cache.at[i] + k < cache.at[i + 1] and cache.held[cache.at[i] + k] == e


@inlined
def wanted(
    cache: Cache, requests: Records, rank: Record, q: int, i: int, blocks: int, block: int
) -> int:
    """Free blocks that the first request that waits needs: all but those that others hold.

    That changes only when a sequence starts or ends; until then it is not counted again.
    """
    queue = cache.queues[q]
    if not queue["needed"] > rank["free"]:
        _, held = look_up(cache, requests, rank, q, i, block)
        queue["needed"] = blocks - held
    return queue["needed"]


@called
def hold(
    cache: Cache, requests: Records, rank: Record, q: int, i: int, blocks: int, block: int
) -> int:
    """Takes what is found of request i out of the queue, and the rest of its blocks from its front.

    Returns how many were found. The rank's own counts are left as they are.
    """
    found, _ = look_up(cache, requests, rank, q, i, block)
    queue = cache.queues[q]
    queue["needed"] = 0
    left = found
    k = int(cache.at[i])
    end = int(cache.at[i + 1])
    while k < end and left > 0:
        s = int(cache.path[k])
        e = int(cache.found[s, q])
        extent = cache.extents[e]
        left -= extent["blocks"]
        if extent["holders"] == 0:
            _unlink(cache, queue, e)
        extent["holders"] += 1
        extent["blocks"] = cache.sizes[s]
        cache.held[k] = e
        k += 1
    e = int(cache.private[i])
    if e >= 0:
        _strip(cache, q, e)
        cache.extents[e]["blocks"] -= left
        if cache.extents[e]["blocks"] == 0:
            _unlink(cache, queue, e)
            _drop(cache, queue, e)
    _settle(cache, rank["taken"] + blocks - found, q)
    while k < end:
        s = int(cache.path[k])
        e = _new(cache, queue, int(cache.sizes[s]))
        cache.extents[e]["segment"] = s
        cache.extents[e]["holders"] = 1
        _name(cache, s, q, e)
        cache.held[k] = e
        k += 1
    return found


@called
def give_back(
    cache: Cache,
    requests: Records,
    rank: Record,
    q: int,
    i: int,
    blocks: int,
    full: int,
    preempted: bool,
) -> int:
    """Lets go of the blocks of request i, of which the first `full` are computed.

    If it was preempted, it is to find again those beyond its path too. Returns how many blocks are
    free now that were not before.
    """
    _settle(cache, rank["taken"], q)
    queue = cache.queues[q]
    queue["needed"] = 0
    end = 0
    for k in range(cache.at[i], cache.at[i + 1]):
        end += int(cache.sizes[cache.path[k]])
    freed = max(0, blocks - end)
    if blocks > end:
        e = _append(cache, queue, blocks - end)
        if preempted and full > end:
            cache.extents[e]["owner"] = i
            cache.private[i] = e
            requests[i]["full"] = full - end
    for k in range(cache.at[i + 1] - 1, cache.at[i] - 1, -1):
        e = int(cache.held[k])
        size = int(cache.sizes[cache.path[k]])
        end -= size
        cache.extents[e]["holders"] -= 1
        if cache.extents[e]["holders"] == 0:
            freed += size
            computed = min(size, max(0, full - end))
            if computed < size:
                _append(cache, queue, size - computed)
            if computed > 0:
                cache.extents[e]["blocks"] = computed
                _link(cache, queue, e)
            else:
                _strip(cache, q, e)
                _drop(cache, queue, e)
    return freed


@called
def forget(cache: Cache, rank: Record, q: int) -> None:
    """Empties the cache of a rank that holds nothing: its replica starts anew."""
    _settle(cache, rank["taken"], q)
    e = int(cache.queues[q]["first"])
    while e >= 0:
        _strip(cache, q, e)
        e = int(cache.extents[e]["after"])


@called
def _settle(cache: Cache, taken: int, q: int) -> None:
    """Takes from the front of the queue what has been taken since it was last looked at."""
    queue = cache.queues[q]
    due = taken - queue["settled"]
    queue["settled"] = taken
    while due > 0:
        e = int(queue["first"])
        extent = cache.extents[e]
        if extent["blocks"] > due:
            extent["blocks"] -= due
            due = 0
        else:
            due -= extent["blocks"]
            _strip(cache, q, e)
            _unlink(cache, queue, e)
            _drop(cache, queue, e)


@called
def _strip(cache: Cache, q: int, e: int) -> None:
    """What the extent holds is found no more."""
    extent = cache.extents[e]
    s = int(extent["segment"])
    if s >= 0:
        if cache.found[s, q] == e:
            cache.found[s, q] = extent["copy"]
        else:
            other = cache.found[s, q]
            while cache.extents[other]["copy"] != e:
                other = cache.extents[other]["copy"]
            cache.extents[other]["copy"] = extent["copy"]
        extent["segment"] = -1
        extent["copy"] = -1
    if extent["owner"] >= 0:
        cache.private[extent["owner"]] = -1
        extent["owner"] = -1


@inlined
def _name(cache: Cache, s: int, q: int, e: int) -> None:
    """The extent holds the segment now; those that hold it already are found before it."""
    if cache.found[s, q] < 0:
        cache.found[s, q] = e
    else:
        other = cache.found[s, q]
        while cache.extents[other]["copy"] >= 0:
            other = cache.extents[other]["copy"]
        cache.extents[other]["copy"] = e


@inlined
def _new(cache: Cache, queue: Record, blocks: int) -> int:
    """An extent in no queue, that holds nothing."""
    e = int(queue["spare"])
    if e >= 0:
        queue["spare"] = cache.extents[e]["after"]
    else:
        e = int(queue["fresh"])
        queue["fresh"] += 1
    extent = cache.extents[e]
    extent["segment"] = -1
    extent["owner"] = -1
    extent["copy"] = -1
    extent["holders"] = 0
    extent["blocks"] = blocks
    return e


@inlined
def _drop(cache: Cache, queue: Record, e: int) -> None:
    cache.extents[e]["after"] = queue["spare"]
    queue["spare"] = e


@inlined
def _append(cache: Cache, queue: Record, blocks: int) -> int:
    """Blocks that hold nothing join the end of the queue."""
    e = _new(cache, queue, blocks)
    _link(cache, queue, e)
    return e


@inlined
def _link(cache: Cache, queue: Record, e: int) -> None:
    last = queue["last"]
    cache.extents[e]["before"] = last
    cache.extents[e]["after"] = -1
    if last >= 0:
        cache.extents[last]["after"] = e
    else:
        queue["first"] = e
    queue["last"] = e


@inlined
def _unlink(cache: Cache, queue: Record, e: int) -> None:
    before = cache.extents[e]["before"]
    after = cache.extents[e]["after"]
    if before >= 0:
        cache.extents[before]["after"] = after
    else:
        queue["first"] = after
    if after >= 0:
        cache.extents[after]["before"] = before
    else:
        queue["last"] = before
