"""The supply catalog: a tenant's own prices and limits, over the packaged list."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version
from typing import Annotated

from litestar import Controller, delete, get, put
from litestar.params import FromPath, FromQuery

from netra.api import examples
from netra.api.call import Call
from netra.api.services import Served
from netra.catalog.prices import PRICE_LIST
from netra.catalog.supply import check_row
from netra.errors import InvalidInput, NotFound, Problem
from netra.schemas.supply import PriceList, Supply, SupplyRequest, SupplyRow
from netra.store import supply
from netra.store.postgres import checkout

KINDS = ("model", "gpu")


class SupplyController(Controller):
    path = "/supply"
    tags = ("supply",)

    @get("/", summary="List the tenant's rows, and the list that holds elsewhere")
    async def list(
        self,
        request: Call,
        services: Served,
        kind: FromQuery[str | None] = None,
    ) -> Supply:
        if kind is not None:
            _check_kind(kind)
        async with checkout(services.pool) as connection:
            rows = await supply.rows(connection, request.user.tenant_id, kind)
        price_list = PriceList(source=PRICE_LIST, version=version(PRICE_LIST))
        return Supply(items=tuple(rows), price_list=price_list)

    @put("/{kind:str}/{name:path}", summary="Set a row that holds from a day on")
    async def put(
        self,
        kind: FromPath[str],
        name: FromPath[str],
        data: Annotated[SupplyRequest, examples.SUPPLY],
        request: Call,
        services: Served,
    ) -> SupplyRow:
        _check_kind(kind)
        name = name.lstrip("/")
        check_row(kind, name, data.content)
        async with checkout(services.pool) as connection:
            return await supply.put(connection, request.user.tenant_id, kind, name, data)

    @delete("/{kind:str}/{name:path}", summary="Remove the row of a day, or all of a name")
    async def delete(
        self,
        kind: FromPath[str],
        name: FromPath[str],
        request: Call,
        services: Served,
        effective_from: FromQuery[date | None] = None,
    ) -> None:
        _check_kind(kind)
        name = name.lstrip("/")
        async with checkout(services.pool) as connection:
            removed = await supply.delete(
                connection, request.user.tenant_id, kind, name, effective_from
            )
        if not removed:
            raise NotFound(f"there is no row of the {kind} {name}")


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        expected = f"one of: {', '.join(KINDS)}"
        problem = Problem(where="kind", problem="unknown kind", got=kind, expected=expected)
        raise InvalidInput("the supply catalog has no such kind", [problem])
