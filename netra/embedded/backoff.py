"""How long to wait before a process that died is started again."""

from __future__ import annotations

FIRST_S = 0.1
LONGEST_S = 10.0
#: A process that ran this long was well; its next death counts as the first, seconds.
STABLE_S = 30.0


def delay_s(deaths: int) -> float:
    """Seconds to wait after the given number of deaths in a row: it doubles from 0.1 up to 10."""
    if deaths < 1:
        return 0.0
    return min(LONGEST_S, FIRST_S * 2.0 ** min(deaths - 1, 16))
