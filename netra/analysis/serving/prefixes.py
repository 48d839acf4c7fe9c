"""Which beginnings of prompts are common to several requests: a radix tree over block hashes.

A block is told apart by its hash and by all blocks before it, as vLLM and SGLang do it, whether or
not the given hashes cover what lies before. Blocks that exactly the same requests have, one after
another, are one segment: a request's prompt begins with a path of few segments, however many
blocks it has (SGLang's radix cache, https://arxiv.org/abs/2312.07104, section 3). What no second
request has needs no name: it is never found.

Only blocks that the prompt fills count; generated blocks have no hashes, and are never found by
another request. Sharing is known to the hashed block only: where two prompts part within one, all
of it counts as different.

Cost: O(blocks) for the tree, expected; O(segments) for a part of the requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.block_ids import BlockIds
from netra.analysis.compiled import Bools, Int32s, Int64s, UInt64s, kernel
from netra.errors import InvalidInput, Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class Prefixes:
    """The paths of n requests through the tree; `prefixes_of` builds it."""

    #: Tokens of a hashed block.
    block_tokens: int
    #: Request i begins with the segments `path[offsets[i] : offsets[i + 1]]`; shape (n + 1,).
    offsets: Int64s
    path: Int32s
    #: Hashed blocks of a segment; shape (segments,).
    blocks: Int32s
    #: Whether a segment is the last block of a prompt that ends with it; shape (segments,). It is
    #: a segment of its own then, because its last token is computed whatever is cached.
    last: Bools

    def __len__(self) -> int:
        """How many requests there are."""
        return len(self.offsets) - 1

    def take(self, requests: Int64s) -> Prefixes:
        """Of these requests only, in this order; shape (m,), none of them twice."""
        lengths = np.diff(self.offsets)[requests]
        offsets = _offsets(lengths)
        moved = np.repeat(self.offsets[requests] - offsets[:-1], lengths)
        path = self.path[np.arange(int(offsets[-1]), dtype=np.int64) + moved]
        return Prefixes(
            block_tokens=self.block_tokens,
            offsets=offsets,
            path=path,
            blocks=self.blocks,
            last=self.last,
        )


def prefixes_of(
    offsets: Int64s, hashes: UInt64s, input_tokens: Int64s, *, block_tokens: int
) -> Prefixes:
    """The tree of some requests' prompts.

    Args:
        offsets: request i's blocks are `hashes[offsets[i] : offsets[i + 1]]`; shape (n + 1,).
        hashes: the hash of each block, those of a request in the order of its prompt. A hash of
            what is not a full block of the prompt is ignored.
        input_tokens: at least 1 each; shape (n,).
        block_tokens: tokens of a hashed block.

    Raises:
        InvalidInput: the arrays do not fit each other.
    """
    _check(offsets, hashes, input_tokens, block_tokens)
    within = input_tokens // block_tokens
    blocks = np.minimum(np.diff(offsets), within)
    ids = _chained_ids(offsets, hashes, blocks)
    users = np.zeros(int(ids.max()) + 1 if len(ids) else 0, np.int32)
    _count(ids, offsets, blocks, users)
    shared = _shared(ids, offsets, blocks, users)
    last = np.zeros(len(users), np.bool_)
    to_the_end = (shared > 0) & (shared == within) & (within * block_tokens == input_tokens)
    last[ids[offsets[:-1][to_the_end] + shared[to_the_end] - 1]] = True
    lengths = _lengths(ids, offsets, shared, users, last)
    paths = _offsets(lengths)
    path = np.empty(paths[-1], np.int32)
    firsts = np.empty(int(np.count_nonzero(users > 1)), np.int32)
    sizes = np.zeros(len(firsts), np.int32)
    count = _cut(ids, offsets, shared, users, last, path, firsts, sizes)
    return Prefixes(
        block_tokens=block_tokens,
        offsets=paths,
        path=path,
        blocks=sizes[:count].copy(),
        last=last[firsts[:count]],
    )


def _check(offsets: Int64s, hashes: UInt64s, input_tokens: Int64s, block_tokens: int) -> None:
    if block_tokens < 1:
        wrong = Problem(where="block_tokens", problem="is below 1", got=block_tokens)
        raise InvalidInput("hashes of blocks without tokens", [wrong])
    if offsets.shape != (len(input_tokens) + 1,) or hashes.ndim != 1:
        raise InvalidInput(
            f"offsets, hashes and inputs are of shapes {offsets.shape}, {hashes.shape} and "
            f"{input_tokens.shape}, not (n + 1,), (blocks,) and (n,)"
        )
    if offsets[0] != 0 or offsets[-1] != len(hashes) or bool(np.any(np.diff(offsets) < 0)):
        raise InvalidInput(f"offsets do not rise from 0 to the {len(hashes)} hashes")


def _offsets(lengths: Int64s) -> Int64s:
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def _chained_ids(offsets: Int64s, hashes: UInt64s, blocks: Int64s) -> Int32s:
    """An id for each block together with all before it; 0, 1, 2, ..., shape (len(hashes),)."""
    ids = BlockIds().encode(np.ascontiguousarray(hashes, np.uint64))
    before = np.full(int(ids.max()) + 1 if len(ids) else 0, -2, np.int32)
    if _is_chained(ids, offsets, blocks, before):
        return ids
    # The same hash after different blocks: ids of pairs (id of what lies before, hash's id).
    pairs = BlockIds()
    chained = np.zeros(len(ids), np.int32)
    order = np.argsort(-blocks, kind="stable")
    starts = offsets[:-1][order]
    before = np.full(len(order), -1, np.int64)
    for depth in range(int(blocks.max())):
        active = int(np.searchsorted(-blocks[order], -depth))
        places = starts[:active] + depth
        keys = (before[:active] + 1) << 32 | ids[places]
        before = pairs.encode(keys.astype(np.uint64)).astype(np.int64)
        chained[places] = before
    return chained


@kernel
def _is_chained(ids: Int32s, offsets: Int64s, blocks: Int64s, before: Int32s) -> bool:
    """Whether each id always comes after the same one; `before` is -2 for all at first."""
    for i in range(len(blocks)):
        last = np.int32(-1)
        for j in range(offsets[i], offsets[i] + blocks[i]):
            if before[ids[j]] == -2:
                before[ids[j]] = last
            elif before[ids[j]] != last:
                return False
            last = ids[j]
    return True


@kernel
def _count(ids: Int32s, offsets: Int64s, blocks: Int64s, users: Int32s) -> None:
    """How many requests have a block."""
    for i in range(len(blocks)):
        for j in range(offsets[i], offsets[i] + blocks[i]):
            users[ids[j]] += 1


@kernel
def _shared(ids: Int32s, offsets: Int64s, blocks: Int64s, users: Int32s) -> Int64s:
    """How many of a request's blocks another one has too; those come first."""
    shared = np.zeros(len(blocks), np.int64)
    for i in range(len(blocks)):
        while shared[i] < blocks[i] and users[ids[offsets[i] + shared[i]]] > 1:
            shared[i] += 1
    return shared


@kernel
def _begins(ids: Int32s, start: int, j: int, users: Int32s, last: Bools) -> bool:
    """Whether a segment begins with block j of a request whose first one is `start`."""
    if j == start:
        return True
    return bool(users[ids[j]] != users[ids[j - 1]] or last[ids[j]] or last[ids[j - 1]])


@kernel
def _lengths(ids: Int32s, offsets: Int64s, shared: Int64s, users: Int32s, last: Bools) -> Int64s:
    """Segments of each path."""
    lengths = np.zeros(len(shared), np.int64)
    for i in range(len(shared)):
        for j in range(offsets[i], offsets[i] + shared[i]):
            lengths[i] += _begins(ids, offsets[i], j, users, last)
    return lengths


@kernel
def _cut(
    ids: Int32s,
    offsets: Int64s,
    shared: Int64s,
    users: Int32s,
    last: Bools,
    path: Int32s,
    firsts: Int32s,
    sizes: Int32s,
) -> int:
    """Fills in the paths, and each segment's first block and size; returns how many there are."""
    segments = np.full(len(users), -1, np.int32)
    count = 0
    at = 0
    for i in range(len(shared)):
        fresh = False
        for j in range(offsets[i], offsets[i] + shared[i]):
            if _begins(ids, offsets[i], j, users, last):
                fresh = segments[ids[j]] < 0
                if fresh:
                    segments[ids[j]] = count
                    firsts[count] = ids[j]
                    count += 1
                path[at] = segments[ids[j]]
                at += 1
            if fresh:
                sizes[count - 1] += 1
    return count
