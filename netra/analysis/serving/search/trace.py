"""The requests that a fleet has to serve, and parts of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Bools, Floats, Int64s
from netra.analysis.serving.prefixes import Prefixes
from netra.errors import InvalidInput


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Requests by arrival; all arrays of shape (n,)."""

    #: Seconds, not falling.
    arrival_s: Floats
    #: At least 1 each.
    input_tokens: Int64s
    output_tokens: Int64s
    #: What prompts have in common; None: nothing is known of it.
    prefixes: Prefixes | None = None

    def __post_init__(self) -> None:
        """Raises:
        InvalidInput: there is no request, or the arrays are not of one length.
        """
        n = len(self.arrival_s)
        if not n or len(self.input_tokens) != n or len(self.output_tokens) != n:
            raise InvalidInput("a trace needs requests, each with an arrival and both token counts")
        if self.prefixes is not None and len(self.prefixes) != n:
            raise InvalidInput(f"prefixes of {len(self.prefixes)} requests for {n} requests")

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def span_s(self) -> float:
        """From the first arrival to the last."""
        return float(self.arrival_s[-1] - self.arrival_s[0])

    @property
    def kv_tokens_needed(self) -> int:
        """KV tokens that the longest request holds before it ends."""
        return int((self.input_tokens + self.output_tokens).max()) - 1

    @property
    def least_read(self) -> Int64s:
        """Tokens of each prompt that are computed at the least: those that no other prompt begins
        with, and its last one; shape (n,)."""
        if self.prefixes is None:
            return self.input_tokens
        p = self.prefixes
        blocks = np.concatenate([[0], np.cumsum(p.blocks[p.path], dtype=np.int64)])
        shared = (blocks[p.offsets[1:]] - blocks[p.offsets[:-1]]) * p.block_tokens
        return np.maximum(self.input_tokens - shared, 1)

    def part(self, low: int, high: int) -> Trace:
        """The requests from row `low` on and before row `high`."""
        rows = np.arange(low, high)
        return Trace(
            arrival_s=self.arrival_s[low:high],
            input_tokens=self.input_tokens[low:high],
            output_tokens=self.output_tokens[low:high],
            prefixes=None if self.prefixes is None else self.prefixes.take(rows),
        )

    def head(self, n: int) -> Trace:
        """The first n requests."""
        return self.part(0, n)

    def where(self, rows: Bools | Int64s) -> Trace:
        """Some of the requests, in order, with nothing known of what they have in common: one that
        is taken twice would find itself in the cache."""
        return Trace(
            arrival_s=self.arrival_s[rows],
            input_tokens=self.input_tokens[rows],
            output_tokens=self.output_tokens[rows],
        )

    def between(self, start_s: float, end_s: float) -> tuple[int, int]:
        """The rows that arrive from `start_s` on and before `end_s`, as a range."""
        low, high = np.searchsorted(self.arrival_s, [start_s, end_s])
        return int(low), int(high)
