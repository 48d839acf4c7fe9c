"""Rules that decide at each request, from what is known then, whether and how long to cache.

A rule compares one feature of the request with a threshold and writes one way below it and
another way from it on. The family is fixed beforehand (features x thresholds x pairs of ways), so
that nothing of it is fitted but which rule is taken; that is chosen on some sessions and judged
on others. A rule with many knobs would win on the sessions that it was made on.

Cost: O(rules x segments).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np

from netra.analysis.cache_writes import Actions
from netra.analysis.compiled import Floats, Int32s, Int64s

#: What a request may do: not write, write for 5 minutes, write for an hour.
WAYS: Final = ("none", "ttl_5m", "ttl_1h")
#: How long what is written lives after each use, microseconds.
LIFETIMES_US: Final = np.array([0, 300_000_000, 3_600_000_000], np.int64)

#: Features and the thresholds that are tried: round numbers, chosen before any data was seen.
THRESHOLDS: Final[dict[str, tuple[float, ...]]] = {
    #: How many requests of the cache went before.
    "position": (1, 2, 4, 9, 19, 49),
    #: Seconds since the request before; 0 for the first.
    "gap_s": (10, 30, 60, 120, 300, 900, 3600),
    #: The longest of these gaps so far, seconds.
    "longest_gap_s": (30, 60, 120, 300, 900, 3600),
    #: Tokens of the prompt.
    "input_tokens": (4_000, 8_000, 16_000, 32_000, 64_000, 100_000, 150_000),
    #: The share of the prompt that the cache was never sent before.
    "new_share": (0.02, 0.05, 0.1, 0.25, 0.5, 0.9),
}


@dataclass(frozen=True, kw_only=True)
class WriteRule:
    """Write `below` where the feature is below the threshold, else `above`; indices of `WAYS`."""

    feature: str
    threshold: float
    below: int
    above: int

    def actions(self, features: dict[str, Floats]) -> Actions:
        """What each request does; shape (n,)."""
        is_below = features[self.feature] < self.threshold
        return np.where(is_below, np.int8(self.below), np.int8(self.above))


def rules() -> Iterator[WriteRule]:
    """The whole family."""
    for feature, thresholds in THRESHOLDS.items():
        for threshold in thresholds:
            for below, above in permutations(range(len(WAYS)), 2):
                yield WriteRule(feature=feature, threshold=threshold, below=below, above=above)


def request_features(
    times_us: Int64s, caches: Int32s, input_tokens: Floats, known_tokens: Floats
) -> dict[str, Floats]:
    """What each request's caller knows when it sends it.

    Args:
        times_us: ascending within a cache; shape (n,).
        caches: who shares a cache, 0 or more; shape (n,).
        input_tokens: shape (n,).
        known_tokens: leading tokens that the cache was sent before, expired or not; shape (n,).
    """
    n = len(times_us)
    order = np.argsort(caches, kind="stable")
    first = np.ones(n, np.bool_)
    first[1:] = np.diff(caches[order]) != 0
    begins = np.flatnonzero(first)
    sizes = np.diff(np.append(begins, n))
    position = np.empty(n)
    position[order] = np.arange(n) - np.repeat(begins, sizes)
    gaps = np.zeros(n)
    gaps[1:] = np.diff(times_us[order]) / 1e6
    gaps[first] = 0.0
    longest = np.concatenate(
        [np.maximum.accumulate(g) for g in np.split(gaps, begins[1:])] if n else [gaps]
    )
    gap_s, longest_gap_s = np.empty(n), np.empty(n)
    gap_s[order], longest_gap_s[order] = gaps, longest
    with np.errstate(invalid="ignore"):
        known = np.where(input_tokens > 0, known_tokens / input_tokens, 0.0)
    return {
        "position": position,
        "gap_s": gap_s,
        "longest_gap_s": longest_gap_s,
        "input_tokens": input_tokens,
        "new_share": 1.0 - known,
    }


def costs_by_rule(
    family: Sequence[WriteRule],
    features: dict[str, Floats],
    cost_of: Callable[[Actions], Floats],
    blocks: Int32s,
    count: int,
) -> Floats:
    """What each block (a session) costs under each rule; shape (rules, count).

    Args:
        cost_of: the cost of each request when all do as told; shape (n,) to shape (n,).
        blocks: each request's block, 0 to count - 1; shape (n,).
    """
    sums = np.empty((len(family), count))
    for i, rule in enumerate(family):
        sums[i] = np.bincount(blocks, cost_of(rule.actions(features)), minlength=count)
    return sums
