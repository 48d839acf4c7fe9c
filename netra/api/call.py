"""A request of somebody who is known, and its body."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import SerializationException as Undecodable

from netra.api.access import Principal
from netra.api.text import check_body, half_surrogate
from netra.errors import InvalidInput
from netra.validation import problems_of


class Call(Request[Principal, Any, Any]):
    """What handlers are given. A class of its own: the framework looks at what a generic one is
    made of at every request."""

    async def json(self) -> Any:
        """The body as the handler's `data` wants it; this is where every JSON body is read.

        The framework would take `"5"` for 5; a body is typed, so here it has to say what it means.

        Raises:
            InvalidInput: text that no store can hold, or not what is wanted; names each place.
        """
        raw = await self.body()
        try:
            content = await super().json()
        except UnicodeDecodeError as e:
            raise _not_utf8(raw) from e
        except Undecodable as e:
            # The decoder calls such a text truncated, or the pair invalid.
            if half := half_surrogate(raw):
                raise InvalidInput(f"the body is not JSON: {half}") from e
            raise
        check_body(raw, content)
        wanted = self.route_handler.parsed_fn_signature.parameters.get("data")
        if wanted is None:
            return content
        try:
            return msgspec.convert(content, wanted.annotation)
        except msgspec.ValidationError as e:
            problems = problems_of(e, content, wanted.annotation)
            raise InvalidInput("the request is not valid", problems) from e


def _not_utf8(raw: bytes) -> InvalidInput:
    try:
        raw.decode()
    except UnicodeDecodeError as e:
        return InvalidInput(f"the body is not UTF-8: byte {e.start + 1} is 0x{raw[e.start]:02x}")
    return InvalidInput("the body is not UTF-8")
