"""Which signals end a stack in an orderly way."""

from __future__ import annotations

import signal
from collections.abc import Callable

#: A terminal that closes must not leave a stack behind that nobody sees.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_signals(stop: Callable[[], None]) -> None:
    """Calls `stop` on each of `SIGNALS`, but on none that is ignored already (`nohup`)."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stop())
