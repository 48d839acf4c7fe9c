"""Parameters of the agents that say what a workload is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from netra.catalog.params.base import Params


class ProfileParams(Params, frozen=True, kw_only=True):
    #: Rows of each usage table; the rest is added up in one more.
    rows: Annotated[int, Meta(ge=1, le=100)] = 30
