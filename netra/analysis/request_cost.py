"""What requests cost at a model's rates; each request pays one tier for all its tokens.

Cost: O(n).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: The columns of a rate matrix.
INPUT, OUTPUT, CACHE_READ, CACHE_WRITE = range(4)


def request_costs(
    rates: Floats,
    thresholds: Floats,
    *,
    input_tokens: Floats,
    output_tokens: Floats,
    cached: Floats,
    written: Floats,
) -> Floats:
    """USD of each request, NaN where it cannot be known.

    Args:
        rates: USD per million tokens, shape (tiers, 4), columns as named above; NaN: no rate.
        thresholds: a tier holds for requests with more input tokens; ascending, the first 0.
        input_tokens, output_tokens: all of them, cached and reasoning ones included; shape (n,).
        cached, written: of the input tokens, those read from and written to the prompt cache.
            NaN counts as none: such a request is priced as one without a cache.

    Returns:
        Shape (n,). A request whose tokens are unknown is NaN, and so is one with tokens of a
        kind that has no rate; no tokens of a kind cost nothing, also without a rate. Output
        that is unknown costs nothing where the model has no output rate (an embedding).
    """
    tier = np.searchsorted(thresholds[1:], input_tokens, side="left")
    of_request = rates[tier]
    read = np.nan_to_num(cached)
    write = np.nan_to_num(written)
    plain = np.maximum(input_tokens - read - write, 0.0)
    no_output = np.isnan(of_request[:, OUTPUT]) & np.isnan(output_tokens)
    output = np.where(no_output, 0.0, output_tokens)
    usd = (
        _charge(plain, of_request[:, INPUT])
        + _charge(read, of_request[:, CACHE_READ])
        + _charge(write, of_request[:, CACHE_WRITE])
        + _charge(output, of_request[:, OUTPUT])
    )
    return usd / 1e6


def _charge(tokens: Floats, rate: Floats) -> Floats:
    return np.where(tokens == 0, 0.0, tokens * rate)
