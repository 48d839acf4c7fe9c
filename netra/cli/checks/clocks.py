"""Clocks: this machine's beside those of the stores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from netra.cli.checks.check import Check, Subject
from netra.store import clickhouse_http
from netra.store import postgres as postgres_store
from netra.store import redis as redis_store

#: More than this between two clocks shows in the order of events, seconds.
SKEW_S = 1.0
#: More than this and tickets expire before they can be used, seconds.
_BAD_S = 10.0
MACHINE = "machine clock"
_MEND = "let the machines keep time by NTP (chronyc tracking says how far this one is off)"


def clocks(on: Subject) -> Iterator[Check]:
    """A store that cannot be asked is left out: its own check says why."""
    skews: dict[str, float] = {}
    for store, ask in (("postgres", _postgres), ("valkey", _valkey), ("clickhouse", _clickhouse)):
        try:
            skews[store] = _skew_s(lambda ask=ask: ask(on))
        except Exception:
            continue
    off = {store: skew for store, skew in skews.items() if abs(skew) > SKEW_S}
    together = len(off) > 1 and max(off.values()) - min(off.values()) < SKEW_S
    if together and len(off) == len(skews):
        mean = sum(off.values()) / len(off)
        found = f"this machine's clock is {-mean:+.1f} s off from those of all stores"
        yield Check(name=MACHINE, state=_state(mean), found=found, mend=_MEND)
    for store, skew in skews.items():
        well = store not in off
        yield Check(
            name=f"{store} clock",
            state=_state(skew),
            found=f"{skew * 1000:+.0f} ms from this machine's",
            mend="" if well else _MEND,
        )


def _state(skew_s: float) -> Any:
    return "ok" if abs(skew_s) <= SKEW_S else "warn" if abs(skew_s) <= _BAD_S else "fail"


def _skew_s(ask: Callable[[], float]) -> float:
    """By how much the asked clock is ahead, at least: 0 if it may have been read in between."""
    before = time.time()
    there = ask()
    after = time.time()
    return there - after if there > after else there - before if there < before else 0.0


def _postgres(on: Subject) -> float:
    with postgres_store.connect(on.settings.database, "doctor") as connection:
        row: Any = connection.execute(
            "SELECT extract(epoch FROM clock_timestamp())::float8 AS now"
        ).fetchone()
        return row["now"]


def _valkey(on: Subject) -> float:
    with redis_store.connect(on.settings.redis) as client:
        seconds, micros = client.time()  # pyright: ignore[reportGeneralTypeIssues]
        return seconds + micros / 1e6


def _clickhouse(on: Subject) -> float:
    return float(clickhouse_http.ask(on.settings.clickhouse, "SELECT toFloat64(now64(6))")[0][0])
