"""How answers leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from litestar import Request, Response
from litestar.enums import MediaType
from litestar.response.base import ASGIResponse

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import Receive, Scope, Send

T = TypeVar("T")

#: These have no body, which the framework sees to.
_BARE = (204, 304)


class Answer(Response[T]):
    """A response whose headers are written down once, in the order of the framework's own.

    That one asks for each header whether it is there already, by an exception if it is not. No
    answer of Netra's has cookies, encoders or work that comes after it.
    """

    def to_asgi_response(
        self,
        app: Litestar | None,
        request: Request[Any, Any, Any],
        *,
        headers: dict[str, str] | None = None,
        media_type: MediaType | str | None = None,
        status_code: int | None = None,
        **others: Any,
    ) -> ASGIResponse:
        status = self.status_code or status_code or 200
        kind = self.media_type or media_type or MediaType.JSON
        kind = kind.value if isinstance(kind, MediaType) else str(kind)
        if status in _BARE:
            return super().to_asgi_response(
                app, request, headers=headers, media_type=kind, status_code=status, **others
            )
        body = self.render(self.content, kind)
        own = {**(headers or {}), **self.headers}
        sent = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in own.items()
        ]
        written = f"{kind}; charset={self.encoding}" if kind.startswith("text/") else kind
        sent.append((b"content-type", written.encode("latin-1")))
        sent.append((b"content-length", b"%d" % len(body)))
        return _Ready(status, sent, body)


class _Ready(ASGIResponse):
    """All of it is there; nothing is to be worked out."""

    __slots__ = ("_headers",)

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status_code = status
        self.body = body
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self._headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
