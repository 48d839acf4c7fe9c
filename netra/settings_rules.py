"""What a setting may be: ranges and forms, as types, and the same in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from msgspec import Meta

if TYPE_CHECKING:
    from msgspec.inspect import FloatType, IntType

#: A port to listen on.
Port = Annotated[int, Meta(ge=1, le=65_535)]
#: A port to listen on, or 0, whose meaning the setting says.
PortOrZero = Annotated[int, Meta(ge=0, le=65_535)]
#: How many, and none will not do.
Count = Annotated[int, Meta(ge=1)]
#: How many; none will do.
Amount = Annotated[int, Meta(ge=0)]
#: A length of time. The limit, a year, keeps out "inf", and what was meant in milliseconds.
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
WholeSeconds = Annotated[int, Meta(ge=1, le=31_536_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Factor = Annotated[float, Meta(ge=0, le=1_000)]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Format = Literal["json", "text"]


@dataclass(frozen=True)
class Form:
    """What a text has to look like. An empty one says that nothing is set, and passes."""

    words: str
    accepts: Callable[[str], bool]
    #: Never shown: it is a secret, or holds one.
    secret: bool = False


#: Scheme, who and where, and what follows. Not urllib's: probes read settings, and it takes a
#: tenth of their time to load.
_PARTS = re.compile(r"([a-z]+)(?:\+\w+)?://(?:[^/?#]*@)?([^/?#@]*)([/?#].*)?", re.DOTALL)
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]\s]*)(?::(\d+))?")
_HIGHEST_PORT = 65_535


def _url(*schemes: str, host: bool = True) -> Callable[[str], bool]:
    def accepts(text: str) -> bool:
        parts = _PARTS.fullmatch(text)
        if not parts or parts[1] not in schemes:
            return False
        # PostgreSQL takes several, one after the other.
        found = [_ADDRESS.fullmatch(one) for one in parts[2].split(",")]
        return all(
            one and (one[1] or not host) and 1 <= int(one[2] or 1) <= _HIGHEST_PORT for one in found
        )

    return accepts


#: The database of a server is a number; the driver takes any other word for none, and uses 0.
_REDIS_PATH = re.compile(r"(?:/\d*)?")
_REDIS_DATABASE = re.compile(r"(?:^|&)db=(?!\d+(?:&|$))")


def _redis(text: str) -> bool:
    if text.startswith("unix://"):
        path, _, query = text.removeprefix("unix://").partition("?")
        return bool(path) and not _REDIS_DATABASE.search(query)
    parts = _PARTS.fullmatch(text)
    path, _, query = ((parts and parts[3]) or "").partition("?")
    known = _REDIS_PATH.fullmatch(path) and not _REDIS_DATABASE.search(query)
    return bool(known) and _url("redis", "rediss")(text)


def _origin(text: str) -> bool:
    return _url("http", "https")(text) and not text.partition("://")[2].partition("/")[2]


def _network(text: str) -> bool:
    import ipaddress  # where proxies are named, and nowhere else

    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _kept_at(text: str) -> bool:
    bucket = re.match(r"s3://[^/]", text)
    return bool(bucket) or "://" not in text or text.startswith("file:///")


_PASSWORD = ", with %-escapes for what is special in a password"


def _text(words: str, accepts: Callable[[str], bool], *, secret: bool = False) -> Meta:
    return Meta(extra={"form": Form(words, accepts, secret)})


PostgresUrl = Annotated[
    str,
    _text(
        "postgresql://user:password@host:port/name" + _PASSWORD,
        _url("postgresql", "postgres", host=False),
        secret=True,
    ),
]
RedisUrl = Annotated[str, _text("redis://:password@host:port/0" + _PASSWORD, _redis, secret=True)]
ClickHouseUrl = Annotated[
    str,
    _text(
        "http://user:password@host:port/database" + _PASSWORD, _url("http", "https"), secret=True
    ),
]
CollectorUrl = Annotated[str, _text("http://host:port or https://host:port", _url("http", "https"))]
BackupUrl = Annotated[str, _text("a folder, or s3://bucket/prefix", _kept_at)]
Secret = Annotated[str, _text("text, and secret", lambda _: True, secret=True)]
Origin = Annotated[str, _text("origins such as https://app.example.org", _origin)]
Network = Annotated[str, _text("addresses or networks such as 10.0.0.0/16", _network)]


def form_of(kind: Any) -> Form | None:
    """The form that a text, or each text of a list, has to have."""
    for part in (kind, *get_args(kind)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, Meta) and meta.extra:
                return meta.extra.get("form")
    return None


def refused(value: Any, kind: Any) -> bool:
    """Whether a value of the right type has not the form that its type asks for."""
    form = form_of(kind)
    texts = value if isinstance(value, tuple) else (value,)
    return form is not None and any(text and not form.accepts(text) for text in texts)


def in_words(kind: Any) -> str:
    """What a setting of this type may be: `a whole number from 1 to 65535`."""
    if form := form_of(kind):
        return form.words
    from msgspec import inspect  # where somebody asks

    known = inspect.type_info(kind)
    if isinstance(known, inspect.LiteralType):
        return "one of: " + ", ".join(map(str, known.values))
    if isinstance(known, inspect.IntType | inspect.FloatType):
        noun = "a whole number" if isinstance(known, inspect.IntType) else "a number"
        return noun + _range(known)
    return "true or false" if isinstance(known, inspect.BoolType) else "text"


def _range(kind: IntType | FloatType) -> str:
    most = "" if kind.le is None else f"{kind.le:,.0f}" if kind.le > _HIGHEST_PORT else f"{kind.le}"
    if kind.gt is not None:
        return f" above {kind.gt:g}" + (f" and up to {most}" if most else "")
    if most:
        return f" from {kind.ge:g} to {most}"
    return "" if kind.ge is None else f", {kind.ge:g} or more"
