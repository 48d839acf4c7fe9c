"""A request of ClickHouse's HTTP interface, read from its address and headers."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser
from urllib.parse import parse_qsl, urlsplit

from netra.embedded.clickhouse.engine import Context
from netra.errors import InvalidInput

#: Parameters of the interface; of the rest, `param_x` are the query's, and others are settings.
_OWN = frozenset(
    {
        *("query", "database", "default_format", "query_id", "user", "password", "stacktrace"),
        *("session_id", "session_timeout", "session_check", "close_session", "quota_key", "role"),
        *("client_protocol_version", "compress", "decompress", "wait_end_of_query", "buffer_size"),
        # Settings of the transport, with nothing to do here.
        *("enable_http_compression", "http_zlib_compression_level"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        "cancel_http_readonly_queries_on_client_close",
    }
)


@dataclass(frozen=True, kw_only=True)
class Request:
    query: bytes
    query_id: str
    context: Context


def parameters(target: str) -> dict[str, str]:
    """The parameters of a request's address."""
    pairs = parse_qsl(urlsplit(target).query, keep_blank_values=True, errors="surrogateescape")
    return dict(pairs)


def form(content_type: str, body: bytes) -> dict[str, str]:
    """The text fields of a `multipart/form-data` body.

    Raises:
        InvalidInput: it holds a file: external tables are not served.
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None:
            raise InvalidInput(f"external tables are not served: {name}")
        content = part.get_payload(decode=True)
        fields[str(name)] = content.decode() if isinstance(content, bytes) else ""
    return fields


def read(given: Mapping[str, str], headers: Message) -> Request:
    """The request that parameters and headers describe.

    Raises:
        InvalidInput: it asks for ClickHouse's own block compression.
    """
    for name in ("compress", "decompress"):
        if given.get(name, "0") not in ("0", ""):
            raise InvalidInput(f"{name}=1 (ClickHouse's own block compression) is not served")
    settings = {k: v for k, v in given.items() if k not in _OWN and not k.startswith("param_")}
    return Request(
        query=given.get("query", "").encode(errors="surrogateescape"),
        query_id=given.get("query_id") or str(uuid.uuid4()),
        context=Context(
            database=given.get("database") or headers.get("X-ClickHouse-Database", ""),
            format=given.get("default_format")
            or headers.get("X-ClickHouse-Format")
            or "TabSeparated",
            settings=settings,
            parameters={
                k.removeprefix("param_"): v for k, v in given.items() if k.startswith("param_")
            },
        ),
    )


def credentials(given: Mapping[str, str], headers: Message) -> tuple[str, str]:
    """User and password, from wherever the client put them; ClickHouse's default is `default`."""
    scheme, _, encoded = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    if "X-ClickHouse-User" in headers:
        return headers["X-ClickHouse-User"], headers.get("X-ClickHouse-Key", "")
    return given.get("user", "default"), given.get("password", "")
