"""Uploads: streamed to a file, never held in memory, and loaded from there in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request
from litestar.exceptions import InternalServerException

from netra.errors import InvalidInput, Problem
from netra.memory import give_back
from netra.settings import Api, Settings
from netra.store import postgres

if TYPE_CHECKING:
    from netra.store.ingest import Outcome

#: Bytes gathered before a write goes to a thread.
_PIECE = 1 << 20


def _check_is_file(request: Request[Any, Any, Any]) -> None:
    """A form would be taken for a file in a format that nobody knows."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.startswith("multipart/"):
        expected = "the bytes of the file, e.g. curl --data-binary @traffic.parquet"
        problem = Problem(
            where="Content-Type", problem="a form is not a file", got=media_type, expected=expected
        )
        raise InvalidInput("the body has to be the file itself, not a form", [problem])


@contextlib.asynccontextmanager
async def spooled(request: Request[Any, Any, Any], settings: Api) -> AsyncIterator[Path | None]:
    """The request's body as a file, gone afterwards; None if the body is empty.

    Raises:
        InvalidInput: the body is a form, or ended too early.
    """
    _check_is_file(request)
    if settings.spool_dir:
        os.makedirs(settings.spool_dir, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="netra-upload-", dir=settings.spool_dir or None)
    path = Path(name)
    # Without a name it is gone with the process, however that ends; the descriptor still opens it.
    if (unnamed := Path(f"/proc/self/fd/{handle}")).exists():
        path.unlink()
        path = unnamed
    try:
        with os.fdopen(handle, "wb") as file:
            size = 0
            piece = bytearray()
            async for chunk in _body(request):
                piece += chunk
                size += len(chunk)
                if len(piece) >= _PIECE:
                    await asyncio.to_thread(file.write, bytes(piece))
                    piece.clear()
            file.write(piece)
            file.flush()
            yield path if size else None
    finally:
        if path != unnamed:
            path.unlink(missing_ok=True)


async def _body(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except InternalServerException as e:
        raise InvalidInput("the upload ended before all of the body had come") from e


@dataclass(frozen=True)
class Upload:
    """A file to be ingested."""

    file: Path
    #: What the sender calls it.
    name: str | None
    format: str | None
    start: datetime | None

    def load(self, settings: Settings, tenant_id: str, workload_id: UUID) -> Outcome:
        """Ingests the file; blocks. The ingest's libraries are loaded with the first upload."""
        from netra.ingest.load import load
        from netra.store import clickhouse

        client = clickhouse.connect(settings.clickhouse)
        try:
            with postgres.connect(settings.database, "ingest") as pg:
                return load(
                    self.file,
                    tenant_id=tenant_id,
                    workload_id=workload_id,
                    client=client,
                    pg=pg,
                    source_name=self.name or "upload",
                    format=self.format,
                    start=self.start,
                    max_line_bytes=settings.api.max_line_bytes,
                )
        finally:
            client.close()
            give_back()
