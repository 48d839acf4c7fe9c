"""Errors as ClickHouse's HTTP interface words them."""

from __future__ import annotations

from netra.embedded.clickhouse.engine import EngineError
from netra.errors import NetraError, TooLarge

#: HTTP statuses by ClickHouse's error code, as its server maps them; 500 for all others.
_STATUS = {
    **dict.fromkeys((192, 193, 194, 291, 497, 516), 403),
    **dict.fromkeys((6, 26, 27, 33, 38, 41, 53, 62, 69, 70, 72, 117, 456, 457), 400),
    **dict.fromkeys((16, 36, 46, 47, 60, 81), 404),
    48: 501,
    307: 413,
}


def authentication_failed(user: str) -> EngineError:
    return EngineError(
        f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or "
        "there is no user with such name. (AUTHENTICATION_FAILED)"
    )


def from_netra(error: NetraError) -> EngineError:
    """An error found before the engine saw the statement, with ClickHouse's code for its kind."""
    if isinstance(error, EngineError):
        return error
    code, name = (307, "TOO_MANY_BYTES") if isinstance(error, TooLarge) else (36, "BAD_ARGUMENTS")
    return EngineError(f"Code: {code}. DB::Exception: {error}. ({name})")


def status(error: EngineError) -> int:
    return _STATUS.get(error.code, 500)


def text(error: EngineError, version: str) -> bytes:
    """The body of an answer with this error."""
    return f"{error.detail.strip()} (version {version})\n".encode()


def framed(error: EngineError, version: str, tag: str) -> bytes:
    """The error as it is put after a part of a result that has already been sent."""
    message = text(error, version)
    mark = tag.encode()
    size = str(len(message)).encode()
    return (
        b"\r\n__exception__\r\n" + mark + b"\r\n" + message
        + size + b" " + mark + b"\r\n__exception__\r\n"
    )  # fmt: skip
