"""Where windows stand on a chart's time axis: calendar times, or hours since an unknown start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: A chart shows at most about so many points of a series.
MOST_POINTS = 400


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Names windows."""

    start_s: float
    window_s: float
    anchored: bool

    @property
    def label(self) -> str:
        return "time (UTC)" if self.anchored else "days since the series began"

    def at(self, windows: list[int]) -> list[Any]:
        """The beginnings of windows, counted from the first."""
        if not self.anchored:
            return [round(w * self.window_s / 86_400, 5) for w in windows]
        moments = [_EPOCH + timedelta(seconds=self.start_s + w * self.window_s) for w in windows]
        return [m.isoformat().replace("+00:00", "Z") for m in moments]


def rounded(values: np.ndarray) -> list[float]:
    """Four significant digits: a chart shows no more, and content is kept small."""
    return [float(f"{v:.4g}") for v in np.asarray(values, dtype=np.float64).tolist()]
