"""`/ws`: facts and ticks of jobs and batches, each connection at its own speed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from netra.api.access import Principal, key_in
from netra.api.services import Served, Services
from netra.api.wire import wire_of
from netra.errors import InvalidInput, NetraError, StoreUnavailable, Unauthorized
from netra.logging import bind
from netra.progress.background import end
from netra.progress.follow import Follower
from netra.progress.message import Message, Position
from netra.schemas.socket import (
    Auth,
    Authenticated,
    ClientMessage,
    Ping,
    Pong,
    Snapshot,
    SocketError,
    Subscribe,
    Unsubscribe,
)
from netra.store.batch import count_states, finished

log = logging.getLogger(__name__)

#: A connection that has not said who it is by then is closed, seconds.
AUTH_S = 30.0
#: Close codes: 4000 and the HTTP status; the protocol's own "try again later".
UNAUTHORIZED = 4401
FORBIDDEN = 4403
TRY_AGAIN = 1013
#: Whether the key of an open connection still holds is looked up this often, seconds.
HOLD_S = 15.0
#: Jobs and batches that one connection follows at most.
_FOLLOWED = 5000
_SNAPSHOT_JOBS = 1000

_read = msgspec.json.Decoder(ClientMessage).decode
_encode = msgspec.json.Encoder().encode
_PONG = _encode(Pong())


def origin_allowed(origin: str | None, host: str | None, allowed: tuple[str, ...]) -> bool:
    """Whether a browser on a page of `origin` may connect; programs send none."""
    if origin is None:
        return True
    return origin in allowed or "*" in allowed or urlsplit(origin).netloc == host


@websocket("/ws", include_in_schema=False)
async def follow(socket: WebSocket[Any, Any, Any], services: Served) -> None:
    headers = socket.headers
    allowed = services.settings.api.allowed_origins
    if not origin_allowed(headers.get("origin"), headers.get("host"), allowed):
        await socket.close(code=FORBIDDEN, reason="this origin may not connect")
        return
    await socket.accept()
    try:
        principal = await _introduced(socket, services)
        if principal is None:
            async with asyncio.timeout(AUTH_S):
                principal = await _asked(socket, services)
        with bind(tenant_id=principal.tenant_id):
            await Connection(socket, services, principal).serve()
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await _refuse(socket, f"no key within {AUTH_S:g} s")
    except Unauthorized as e:
        await _refuse(socket, e.detail)
    except StoreUnavailable as e:
        # An error on an open connection would leave the client waiting for facts.
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(code=TRY_AGAIN, reason=e.detail[:120])


async def _introduced(socket: WebSocket[Any, Any, Any], services: Services) -> Principal | None:
    """Who calls, if a ticket or a header says so.

    Raises:
        Unauthorized: it does, but it does not hold.
    """
    ticket = socket.query_params.get("ticket")
    if ticket is not None:
        return await services.keys.hold(await services.tickets.redeem(ticket))
    key = key_in(socket.headers)
    return None if key is None else await services.keys.open(key)


async def _asked(socket: WebSocket[Any, Any, Any], services: Services) -> Principal:
    """Waits for the message that says who calls; only pings are answered before it."""
    while True:
        try:
            message = _read(await socket.receive_data(mode="text"))
        except msgspec.DecodeError as e:
            await socket.send_data(_error(InvalidInput(f"not understood: {e}")))
            continue
        if isinstance(message, Ping):
            await socket.send_data(_PONG)
        elif isinstance(message, Auth):
            principal = await services.keys.open(message.api_key)
            await socket.send_data(_encode(Authenticated(tenant_id=principal.tenant_id)))
            return principal
        else:
            refused = Unauthorized('say who you are first: {"type": "auth", "api_key": "…"}')
            await socket.send_data(_error(refused))


async def _refuse(socket: WebSocket[Any, Any, Any], why: str) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_data(_error(Unauthorized(why)))
        await socket.close(code=UNAUTHORIZED, reason=why[:120])


class Connection:
    """One client that is known: a task reads what it asks, another sends what it gets."""

    def __init__(
        self, socket: WebSocket[Any, Any, Any], services: Services, principal: Principal
    ) -> None:
        self.socket = socket
        self.services = services
        self.principal = principal
        self.follower = Follower(services.hub, principal.tenant_id, at_once=self._at_once)
        self._wire = wire_of(socket.scope)
        #: A message is on its way through the server, and must not be overtaken.
        self._sending = False

    async def serve(self) -> None:
        tasks = {
            asyncio.create_task(self._send(), name="socket-send"),
            asyncio.create_task(self._receive(), name="socket-receive"),
            asyncio.create_task(self._hold(), name="socket-hold"),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(tasks)
            await self.follower.close()
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Unauthorized | StoreUnavailable):
                raise error
            if isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect):
                log.debug("socket closed: %r", error)

    async def _hold(self) -> None:
        """Ends the connection once its key is revoked."""
        while True:
            await asyncio.sleep(HOLD_S)
            with contextlib.suppress(StoreUnavailable):
                await self.services.keys.hold(self.principal.key_hash)

    def _at_once(self, message: Message) -> bool:
        return self._wire is not None and not self._sending and self._wire.write(message.raw)

    async def _send(self) -> None:
        while True:
            message = await self.follower.next()
            self._sending = True
            await self.socket.send_data(message.raw)
            self._sending = False

    async def _receive(self) -> None:
        while True:
            text = await self.socket.receive_data(mode="text")
            try:
                message = _read(text)
            except msgspec.DecodeError as e:
                await self.follower.say(_error(InvalidInput(f"not understood: {e}")))
                continue
            try:
                await self._answer(message)
            except (Unauthorized, StoreUnavailable):
                raise
            except NetraError as e:
                job_id, batch_id = (
                    getattr(message, "job_id", None),
                    getattr(message, "batch_id", None),
                )
                await self.follower.say(_error(e, job_id, batch_id))

    async def _answer(self, message: ClientMessage) -> None:
        match message:
            case Ping():
                await self.follower.say(_PONG)
            case Auth():
                # A connection keeps its first tenant: what it follows was allowed to that one.
                principal = await self.services.keys.open(message.api_key)
                if principal.tenant_id != self.principal.tenant_id:
                    raise InvalidInput("this connection is another tenant's; open a new one")
                await self.follower.say(_encode(Authenticated(tenant_id=principal.tenant_id)))
            case Subscribe():
                # The key may have been revoked since the connection was opened.
                await self.services.keys.hold(self.principal.key_hash)
                await self._subscribe(message)
            case Unsubscribe():
                job_id, batch_id = _named(message)
                if job_id is not None:
                    await self.follower.leave_job(job_id)
                if batch_id is not None:
                    await self.follower.leave_batch(batch_id)

    async def _subscribe(self, message: Subscribe) -> None:
        job_id, batch_id = _named(message)
        if len(self.follower.jobs) + len(self.follower.batches) >= _FOLLOWED:
            raise InvalidInput(f"one connection follows at most {_FOLLOWED} jobs and batches")
        if job_id is not None:
            joined = await self.follower.follow_job(job_id, message.after_seq, message.epoch)
            if joined.ahead:
                error = SocketError(
                    slug="position-ahead",
                    detail=f"the job has only come to {joined.head}; its epoch is sent from the"
                    " start",
                    job_id=job_id,
                )
                await self.follower.say(_encode(error))
        if batch_id is not None:
            seen = {
                str(_uuid(job, "positions")): Position(there.epoch, there.seq)
                for job, there in message.positions.items()
            }
            await self.follower.follow_batch(
                batch_id, seen, lambda heads: _snapshot(batch_id, heads)
            )


def _named(message: Subscribe | Unsubscribe) -> tuple[str | None, str | None]:
    """The job and batch that a message is about, ids in their canonical form."""
    if (message.job_id is None) == (message.batch_id is None):
        raise InvalidInput("name a job_id or a batch_id")
    job_id = None if message.job_id is None else str(_uuid(message.job_id, "job_id"))
    batch_id = None if message.batch_id is None else str(_uuid(message.batch_id, "batch_id"))
    return job_id, batch_id


def _uuid(text: str, where: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as e:
        raise InvalidInput(f"{where} is not an id: {text[:60]!r}") from e


def _snapshot(batch_id: str, heads: Any) -> list[bytes]:
    """The batch's jobs, some thousand a message."""
    states = count_states(heads)
    chunks = [heads[i : i + _SNAPSHOT_JOBS] for i in range(0, len(heads), _SNAPSHOT_JOBS)] or [[]]
    return [
        _encode(
            Snapshot(
                batch_id=batch_id,
                total=len(heads),
                states=states,
                finished=finished(states),
                jobs=tuple(chunk),
                more=i < len(chunks) - 1,
            )
        )
        for i, chunk in enumerate(chunks)
    ]


def _error(e: NetraError, job_id: str | None = None, batch_id: str | None = None) -> bytes:
    return _encode(SocketError(slug=e.slug, detail=e.detail, job_id=job_id, batch_id=batch_id))
