"""What requests cost when part of their input is read from a prompt cache and the rest written.

Cost: O(n).
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Floats, Int32s


def prompt_costs(
    *,
    input_tokens: Floats,
    output_tokens: Floats,
    hit_tokens: Floats,
    input_rate: Floats,
    read_rate: Floats,
    output_rate: Floats,
) -> Floats:
    """USD of each request: hits at the read rate, all other input at `input_rate`, and output.

    `input_rate` is the plain rate where nothing is cached, else the rate of cache writes, as
    every token that is not read from the cache is written to it. All have shape (n,); tokens are
    counts, rates USD per million tokens; NaN where something is unknown.
    """
    missed = input_tokens - hit_tokens
    return (hit_tokens * read_rate + missed * input_rate + output_tokens * output_rate) / 1e6


def sums_by_group(values: Floats, groups: Int32s, count: int) -> Floats:
    """Sums over the requests of each group.

    Args:
        values: shape (k, n).
        groups: each request's group, 0 to count - 1; shape (n,).

    Returns:
        Shape (k, count).
    """
    sums = np.zeros((len(values), count))
    for row, of_row in zip(sums, values, strict=True):
        np.add.at(row, groups, of_row)
    return sums
