"""The parameters that each agent takes, as msgspec structs; the API shows them as JSON schema."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""

    def check(self, where: str) -> None:
        """Checks what a type cannot say. Raises InvalidInput naming `where`."""


class NoopParams(Params, frozen=True, kw_only=True):
    #: How long to sleep in all, seconds.
    sleep_s: Annotated[float, Meta(ge=0)] = 0.0
    #: How many times to report progress meanwhile.
    ticks: Annotated[int, Meta(ge=0)] = 0
    #: Fail on this many attempts before succeeding.
    fail_attempts: Annotated[int, Meta(ge=0)] = 0
    #: Hold the interpreter lock, in compiled code, for this long, seconds.
    hold_gil_s: Annotated[float, Meta(ge=0)] = 0.0
    #: Fan out into this many children and one merge stage.
    fan_out: Annotated[int, Meta(ge=0, le=1000)] = 0
    #: Size of the result's payload, bytes.
    result_bytes: Annotated[int, Meta(ge=0, le=250_000)] = 0


class ProfileParams(Params, frozen=True, kw_only=True):
    #: Rows of each usage table; the rest is added up in one more.
    rows: Annotated[int, Meta(ge=1, le=100)] = 30
