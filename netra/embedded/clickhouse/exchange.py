"""One connection to the server: reads requests of ClickHouse's HTTP interface, and answers them."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from itertools import chain
from typing import TYPE_CHECKING, Any

from netra.embedded.clickhouse import body, failure, request, statement
from netra.embedded.clickhouse.engine import EngineError
from netra.embedded.clickhouse.results import Counts, contents
from netra.embedded.clickhouse.upload import received
from netra.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from netra.embedded.clickhouse.server import Service

log = logging.getLogger(__name__)

#: A result up to this size is answered whole: with its length, its counts, and an error's status.
_WHOLE_BYTES = 1 << 20
#: What is read of a refused request's body, so that its client gets to reading the answer.
_DRAIN_BYTES = 64 << 20
_OK = b"Ok.\n"


class Exchange(BaseHTTPRequestHandler):
    """Request after request of one connection, each answered before the next is read."""

    protocol_version = "HTTP/1.1"
    server_version = "Netra-chDB"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def __init__(self, service: Service, *args: Any) -> None:
        self._service = service
        super().__init__(*args)

    def do_GET(self) -> None:
        path, _, parameters = self.path.partition("?")
        if path in ("/ping", "/replicas_status") or (path == "/" and not parameters):
            self._send(200, _OK, {})
        else:
            self._answer(path)

    def do_POST(self) -> None:
        self._answer(self.path.partition("?")[0])

    def handle(self) -> None:
        # A client may go away between two requests, or in the middle of one.
        with suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        with suppress(ConnectionError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def _answer(self, path: str) -> None:
        pieces = body.pieces(self.headers, self.rfile)
        try:
            if path != "/":
                self._send(404, f"There is nothing at {path}\n".encode(), {})
            else:
                asked, pieces = self._read(pieces)
                with (
                    self._service.activity,
                    received(asked.query, pieces, self._service.spool) as text,
                ):
                    self._run(text, asked)
            self._drain(pieces)
        except (EngineError, InvalidInput, TooLarge) as e:
            self._fail(failure.from_netra(e), pieces)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client went away

    def _read(self, pieces: Iterator[bytes]) -> tuple[request.Request, Iterator[bytes]]:
        """The request, and what of its body belongs to the statement."""
        given = request.parameters(self.path)
        user, password = request.credentials(given, self.headers)
        if not self._service.access.allows(user, password):
            raise failure.authentication_failed(user)
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            given |= request.form(content_type, b"".join(pieces))
        return request.read(given, self.headers), pieces

    def _run(self, text: bytes, asked: request.Request) -> None:
        counts = Counts()
        headers = {
            "Content-Type": "application/octet-stream",
            "X-ClickHouse-Query-Id": asked.query_id,
            "X-ClickHouse-Format": statement.output_format(text, asked.context.format),
            "X-ClickHouse-Timezone": self._service.engine.timezone,
        }
        with closing(contents(self._service.engine, text, asked.context, counts)) as result:
            begun: list[bytes] = []
            for piece in result:
                begun.append(piece)
                if sum(map(len, begun)) > _WHOLE_BYTES:
                    self._stream(chain(begun, result), headers)
                    return
        headers["X-ClickHouse-Summary"] = json.dumps(counts.summary())
        self._send(200, b"".join(begun), headers)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def _stream(self, pieces: Iterator[bytes], headers: Mapping[str, str]) -> None:
        """Sends a long result as it comes. An error on the way ends it as ClickHouse's server does:
        in the body, between marks that the head of the answer has announced."""
        tag = secrets.token_hex(8)
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-ClickHouse-Exception-Tag", tag)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in pieces:
                self._chunk(piece)
        except EngineError as e:
            log.warning("a statement failed after part of its result was sent: %s", e)
            self._chunk(failure.framed(e, self._service.engine.version, tag))
            # Without the last, empty chunk no client can take what it got for the whole.
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _chunk(self, content: bytes) -> None:
        if content:
            self.wfile.write(b"%x\r\n" % len(content))
            self.wfile.write(content)
            self.wfile.write(b"\r\n")

    def _fail(self, error: EngineError, pieces: Iterator[bytes]) -> None:
        log.info("refused: %s", error)
        try:
            self._drain(pieces)
            headers = {"X-ClickHouse-Exception-Code": str(error.code)}
            text = failure.text(error, self._service.engine.version)
            self._send(failure.status(error), text, headers)
        except OSError:
            self.close_connection = True

    def _drain(self, pieces: Iterator[bytes]) -> None:
        """Reads what is left of the request's body, or the next request would begin inside it."""
        size = 0
        try:
            for piece in pieces:
                size += len(piece)
                if size > _DRAIN_BYTES:
                    self.close_connection = True
                    return
        except InvalidInput:
            self.close_connection = True
