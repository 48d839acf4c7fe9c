"""Text that PostgreSQL cannot hold is refused where a request enters, whatever route it takes.

That is the NUL character alone: half a surrogate pair, which it could not hold either, does not
get through the JSON decoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from litestar import Request

from netra.errors import InvalidInput, Problem
from netra.validation import ESCAPED_NUL, NUL, nuls, written

_DETAIL = "the request holds a NUL character (U+0000), which cannot be stored"
#: What a backslash begins in JSON, in order: a whole surrogate pair, half of one, anything else.
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
#: Places told of at most: a person reads them.
_TOLD = 20


def check_body(raw: bytes, content: Any) -> None:
    """Looks through a JSON body, if it may hold a NUL at all.

    Args:
        content: what `raw` says.

    Raises:
        InvalidInput: names each place.
    """
    # A bare one is no JSON.
    if ESCAPED_NUL in raw:
        _refuse(
            (written(steps[:-1] if is_name else steps), text)
            for steps, text, is_name in nuls(content)
        )


def half_surrogate(raw: bytes) -> str:
    """Where a JSON body that the decoder refused writes half a surrogate pair; empty: nowhere."""
    for escape in _ESCAPES.finditer(raw):
        if escape[1]:
            written = escape[1].decode()
            return f"{written} at byte {escape.start() + 1} is half a surrogate pair, and no text"
    return ""


def check_url(request: Request[Any, Any, Any]) -> None:
    """Looks through path and query.

    Raises:
        InvalidInput: names the parameter.
    """
    if NUL in request.scope["path"]:
        _refuse(iter([("path", request.scope["path"])]))
    if b"%00" in request.scope["query_string"]:
        pairs = request.query_params.multi_items()
        _refuse((name, f"{name}={text}") for name, text in pairs if NUL in name + text)


def _refuse(found: Iterator[tuple[str, str]]) -> None:
    problems = [
        Problem(
            where=_shown(where),
            problem="a NUL character (U+0000) in the text; leave it out",
            got=_shown(text),
        )
        for (where, text), _ in zip(found, range(_TOLD), strict=False)
    ]
    if problems:
        raise InvalidInput(_DETAIL, problems)


def _shown(text: str) -> str:
    r"""With `\x00` in place of the character itself, which terminals and logs would swallow."""
    return text.replace(NUL, r"\x00")
