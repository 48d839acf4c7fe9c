"""A binary heap in a row of an array, for the sequences of a rank by the step that ends them.

An entry is the step's number above 32 bits of the request's, so that ties have an order. Cost:
O(log n) to push and pop, O(n) to remove from the middle, which only a preemption does.
"""

from __future__ import annotations

from netra.analysis.compiled import Int64s
from netra.analysis.inlined import inlined

_REQUEST_BITS = 32
_REQUEST_MASK = (1 << _REQUEST_BITS) - 1


@inlined
def entry(step: int, request: int) -> int:
    return (step << _REQUEST_BITS) | request


@inlined
def step_of(value: int) -> int:
    return value >> _REQUEST_BITS


@inlined
def request_of(value: int) -> int:
    return value & _REQUEST_MASK


@inlined
def push(heap: Int64s, q: int, size: int, value: int) -> None:
    """Adds to row q, which holds `size` entries before."""
    _rise(heap, q, size, value)


@inlined
def pop(heap: Int64s, q: int, size: int) -> None:
    """Drops the least entry of row q, which holds `size` before."""
    if size > 1:
        _sink(heap, q, size - 1, 0, heap[q, size - 1])


@inlined
def remove(heap: Int64s, q: int, size: int, value: int) -> None:
    """Drops an entry that is in row q, which holds `size` before."""
    place = 0
    while heap[q, place] != value:
        place += 1
    moved = heap[q, size - 1]
    if place == size - 1:
        return
    if moved < value:
        _rise(heap, q, place, moved)
    else:
        _sink(heap, q, size - 1, place, moved)


@inlined
def _rise(heap: Int64s, q: int, place: int, value: int) -> None:
    while place > 0:
        above = (place - 1) >> 1
        if heap[q, above] <= value:
            break
        heap[q, place] = heap[q, above]
        place = above
    heap[q, place] = value


@inlined
def _sink(heap: Int64s, q: int, size: int, place: int, value: int) -> None:
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and heap[q, below + 1] < heap[q, below]:
            below += 1
        if heap[q, below] >= value:
            break
        heap[q, place] = heap[q, below]
        place = below
    heap[q, place] = value
