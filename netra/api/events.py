"""Server-Sent Events: the socket's messages of one job, for whoever speaks plain HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Response, get
from litestar.params import FromPath, FromQuery, HeaderParameter
from litestar.response import Stream

from netra.api import paging
from netra.api.access import Principal
from netra.api.answer import Answer
from netra.api.call import Call
from netra.api.services import Served, Services
from netra.errors import InvalidInput, Problem, StoreUnavailable, Unauthorized
from netra.progress.follow import Ended, Follower, Joined
from netra.progress.message import TERMINAL, Message, Position

#: A stream that has nothing to say says so this often, so that proxies keep it open, seconds.
HEARTBEAT_S = 15.0


def encode(message: Message) -> bytes:
    """An event; facts carry their position, so that a client can come back to it."""
    if message.type == "fact":
        return b"id: %s\ndata: %s\n\n" % (str(message.position).encode(), message.raw)
    return b"data: %s\n\n" % message.raw


@get("/jobs/{job_id:str}/events", summary="A job's facts and ticks as they come", tags=["jobs"])
async def events(
    job_id: FromPath[str],
    request: Call,
    services: Served,
    last_event_id: FromQuery[str | None] = None,
    header_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> Response[Any]:
    """Server-Sent Events. `id` is `epoch-seq`; `Last-Event-ID` resumes. Ends with the job's
    epoch; 204 if that is over and all of it was seen, so that browsers do not come back."""
    job = str(paging.uuid(job_id, "job"))
    seen = _position(header_id or last_event_id)
    follower = Follower(services.hub, request.user.tenant_id)
    joined = await follower.follow_job(job, seen.seq if seen else 0, seen.epoch if seen else None)
    if joined.position == joined.head and await _over(services, request.user, job, joined):
        await follower.close()
        return Answer(None, status_code=204)
    return Stream(
        _stream(follower, joined.head.epoch, services, request.user),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(
    follower: Follower, epoch: int, services: Services, principal: Principal
) -> AsyncIterator[bytes]:
    held_at = services.clock.monotonic()
    try:
        yield b"retry: 1000\n\n"
        while True:
            if services.clock.monotonic() - held_at >= HEARTBEAT_S:
                held_at = services.clock.monotonic()
                if not await _holds(services, principal):
                    return
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    message = await follower.next()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            except Ended:
                return
            yield encode(message)
            if message.kind in TERMINAL and message.epoch >= epoch:
                return
    finally:
        await follower.close()


async def _holds(services: Services, principal: Principal) -> bool:
    """Whether the key has not been revoked, as far as anybody can tell."""
    try:
        await services.keys.hold(principal.key_hash)
    except Unauthorized:
        return False
    except StoreUnavailable:
        return True
    return True


async def _over(services: Services, principal: Principal, job: str, joined: Joined) -> bool:
    """Whether the job's last fact ended it."""
    before = Position(joined.head.epoch, joined.head.seq - 1)
    last = await services.hub.record.after(principal.tenant_id, {job: before}, 1)
    return bool(last) and last[0].kind in TERMINAL


def _position(text: str | None) -> Position | None:
    if not text:
        return None
    seen = Position.parse(text)
    if seen is None:
        problem = Problem(
            where="Last-Event-ID",
            problem="not a position",
            got=text,
            expected="epoch-seq, e.g. 1-7",
        )
        raise InvalidInput("the stream cannot be resumed there", [problem])
    return seen
