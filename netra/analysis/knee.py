"""The knee of a curve of diminishing returns: where more capacity begins to buy little.

The point farthest above the chord from the origin to the curve's end, both axes scaled to 1
(Satopää et al., "Finding a 'Kneedle' in a haystack", ICDCS-W 2011, without smoothing: an exact
curve has no noise to smooth). Cost: O(n).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def knee(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> int | None:
    """The index of the knee; None if the curve never rises above its chord.

    Args:
        x: rising and above zero, e.g. capacities; shape (n,).
        y: not falling, e.g. hit ratios; shape (n,).

    Raises:
        ValueError: the shapes differ, or x does not rise.
    """
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"x has shape {x.shape} and y has {y.shape}, not both (n,)")
    if len(x) and (x[0] <= 0 or bool(np.any(np.diff(x) <= 0))):
        raise ValueError("x does not rise from above zero")
    if not len(x) or y[-1] <= 0:
        return None
    above = y / y[-1] - x / x[-1]
    best = int(np.argmax(above))
    return best if above[best] > 0 else None
