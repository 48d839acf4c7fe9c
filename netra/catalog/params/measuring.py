"""Parameters of the agents that only tests and measurements use."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from netra.catalog.params.base import Params

#: A day: far beyond a stage's limit.
_LONGEST_S = 86_400.0
#: The C library is told in microseconds, 32 bits of them.
_LONGEST_GIL_S = 4_000.0


class NoopParams(Params, frozen=True, kw_only=True):
    #: How long to sleep in all, seconds.
    sleep_s: Annotated[float, Meta(ge=0, le=_LONGEST_S)] = 0.0
    #: How many times to report progress meanwhile.
    ticks: Annotated[int, Meta(ge=0, le=100_000)] = 0
    #: Fail on this many attempts before succeeding.
    fail_attempts: Annotated[int, Meta(ge=0, le=1_000)] = 0
    #: Hold the interpreter lock, in compiled code, for this long, seconds.
    hold_gil_s: Annotated[float, Meta(ge=0, le=_LONGEST_GIL_S)] = 0.0
    #: Fan out into this many children and one merge stage.
    fan_out: Annotated[int, Meta(ge=0, le=1000)] = 0
    #: Work in this many steps, saving the position after each; `sleep_s` is spread over them.
    steps: Annotated[int, Meta(ge=0, le=10_000)] = 0
    #: Rows of a table to leave in ClickHouse.
    table_rows: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    #: Hold this much memory while sleeping, MB.
    hold_mb: Annotated[int, Meta(ge=0, le=100_000)] = 0
    #: Kill the process that runs it, after sleeping.
    dies: bool = False
    #: Size of the result's payload, bytes.
    result_bytes: Annotated[int, Meta(ge=0, le=250_000)] = 0
