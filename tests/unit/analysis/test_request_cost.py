from __future__ import annotations

import numpy as np

from netra.analysis.request_cost import request_costs

NAN = np.nan


def reference(rates, thresholds, tokens_in, tokens_out, cached, written) -> float:
    """One request, kind by kind."""
    tier = max(i for i, above in enumerate(thresholds) if i == 0 or tokens_in > above)
    read = 0.0 if cached != cached else cached
    write = 0.0 if written != written else written
    rate_in, rate_out, rate_read, rate_write = rates[tier]
    if tokens_out != tokens_out and rate_out != rate_out:
        tokens_out = 0.0
    usd = 0.0
    for tokens, rate in (
        (max(tokens_in - read - write, 0.0), rate_in),
        (read, rate_read),
        (write, rate_write),
        (tokens_out, rate_out),
    ):
        usd += 0.0 if tokens == 0 else tokens * rate
    return usd / 1e6


def test_every_mixture_equals_the_slow_reference():
    rng = np.random.default_rng(0)
    n = 500
    rates = np.array([[1, 5, 0.1, 1.25], [2, 7.5, NAN, 2.5], [4, NAN, 0.4, 5]])
    thresholds = np.array([0.0, 1000.0, 5000.0])
    tokens_in = rng.choice([0, 10, 1000, 1001, 5000, 5001, 9000, NAN], n)
    tokens_out = rng.choice([0, 3, 500, NAN], n)
    cached = rng.choice([0, 10, 800, NAN], n)
    written = rng.choice([0, 10, NAN], n)
    got = request_costs(
        rates,
        thresholds,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cached=cached,
        written=written,
    )
    rows = zip(tokens_in, tokens_out, cached, written, strict=True)
    expected = [NAN if i != i else reference(rates, thresholds, i, o, c, w) for i, o, c, w in rows]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
