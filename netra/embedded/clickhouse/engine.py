"""The ClickHouse engine in this process: one folder, a fresh connection for every statement."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.sax.saxutils import escape

import psutil

from netra.embedded.clickhouse.unwritten import set_aside
from netra.errors import NetraError

#: Statements that run at once; more wait for their turn.
MAX_STATEMENTS = 16
#: The folder below the engine's own in which BACKUP and RESTORE may work.
BACKUPS = "backups"
_RTLD_DEEPBIND = 0x00008

_CONFIGURATION = """<clickhouse>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <mmap_cache_size>64</mmap_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_common_pool_size>1</background_common_pool_size>
  <max_thread_pool_free_size>4</max_thread_pool_free_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
  <backups><allowed_path>{backups}</allowed_path></backups>
</clickhouse>
"""

_ERROR = re.compile(r"Code: (\d+)\. ")


class EngineError(NetraError):
    """The engine refused a statement."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        match = _ERROR.match(message)
        #: ClickHouse's error code; 1001 (STD_EXCEPTION) when it gave none.
        self.code = int(match.group(1)) if match else 1001


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A result, or the next part of one."""

    content: bytes
    rows_read: int
    bytes_read: int
    #: Rows that went through a table: of an insert with its rows, how many were written.
    storage_rows: int


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a statement runs under."""

    database: str = ""
    format: str = "TabSeparated"
    settings: Mapping[str, str] | None = None
    parameters: Mapping[str, str] | None = None


class Engine:
    """Owns the folder. Thread-safe: every statement gets a connection of its own.

    Connections cost 0.7 ms; in return no setting, database or half-read result of one statement
    reaches the next (a connection with an unfinished stream answers nothing sensible).
    """

    def __init__(self, folder: Path) -> None:
        if "?" in str(folder) or "&" in str(folder):
            raise NetraError(f"chDB cannot open a folder with '?' or '&' in its name: {folder}")
        configuration = folder / "config.xml"
        limits = {"memory": _memory_limit(), "backups": escape(str(folder / BACKUPS))}
        configuration.write_text(_CONFIGURATION.format(**limits))
        data = folder / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        set_aside(data, folder / "unwritten")
        self._extension: Any = _load_extension()
        self._address = f"{data}?config-file={configuration}"
        self._turns = threading.BoundedSemaphore(MAX_STATEMENTS)
        #: Keeps the engine up while no statement runs.
        self._standing = self._extension.connect(self._address)
        listed = self.run(b"SELECT name FROM system.settings", Context()).content
        self._settings = frozenset(listed.decode().split())
        self.version, self.timezone = (
            self.run(b"SELECT version(), timezone()", Context()).content.decode().split()
        )

    def run(self, statement: bytes, context: Context) -> Piece:
        """Runs one statement to its end.

        Raises:
            EngineError: the engine refused it.
        """
        with self._connection(context) as connection, _errors():
            result = connection.query(
                statement, context.format, params=dict(context.parameters or {})
            )
            return _piece(result)

    def stream(self, statement: bytes, context: Context) -> Generator[Piece, None, None]:
        """Runs a SELECT, yielding its result part by part, each a whole result of its format.

        Closing the iterator early cancels the query.

        Raises:
            EngineError: the engine refused it, now or while it ran.
        """
        with self._connection(context) as connection, _errors():
            result = connection.send_query(
                statement, context.format, params=dict(context.parameters or {})
            )
            while (piece := _next(connection, result)) and piece.content:
                yield piece

    def release_memory(self) -> None:
        """Gives memory that the allocator holds back to the system."""
        self.run(b"SYSTEM JEMALLOC PURGE", Context())

    def close(self) -> None:
        self._standing.close()

    @contextmanager
    def _connection(self, context: Context) -> Iterator[Any]:
        with self._turns:
            connection = self._extension.connect(self._address)
            try:
                with _errors():
                    if context.database:
                        connection.query(f"USE {_identifier(context.database)}")
                    if assignments := self._assignments(context.settings or {}):
                        connection.query(f"SET {assignments}")
                yield connection
            finally:
                connection.close()

    def _assignments(self, settings: Mapping[str, str]) -> str:
        known = {k: v for k, v in settings.items() if k in self._settings}
        return ", ".join(f"{name} = {_literal(value)}" for name, value in known.items())


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as e:
        raise EngineError(str(e)) from e


def _next(connection: Any, result: Any) -> Piece | None:
    try:
        part = connection.streaming_fetch_result(result)
    except RuntimeError as e:
        if str(e) == "No active streaming query":  # how it says that an empty result is at its end
            return None
        raise
    return None if part is None else _piece(part)


def _piece(result: Any) -> Piece:
    return Piece(
        content=result.bytes() or b"",
        rows_read=result.rows_read(),
        bytes_read=result.bytes_read(),
        storage_rows=result.storage_rows_read(),
    )


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _memory_limit() -> int:
    """A quarter of the machine's memory, between 1 and 4 GiB, in bytes."""
    gib = 1 << 30
    return min(4 * gib, max(gib, psutil.virtual_memory().total // 4))


def _load_extension() -> ModuleType:
    """The extension module of the chDB wheel, without the Python package around it.

    `import chdb` brings pyarrow along and opens a second, in-memory engine: 50 MB and half a
    second that a server has no use for. What is done here is what the package does first.

    Raises:
        NetraError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("chdb")
    if spec is None or not spec.submodule_search_locations:
        raise NetraError(
            "the wheel chdb-core-lite is not installed: pip install chdb-core-lite, or set "
            "CLICKHOUSE_URL to a server of your own"
        )
    folder = spec.submodule_search_locations[0]
    package = ModuleType("chdb")
    package.__path__ = [folder]
    package.__spec__ = spec
    sys.modules["chdb"] = package
    if sys.platform == "linux":
        # Its own allocator must win over the C++ library's, or memory is freed by the wrong one.
        ctypes.CDLL(f"{folder}/_chdb.abi3.so", mode=sys.getdlopenflags() | _RTLD_DEEPBIND)
    came_from = os.getcwd()
    os.chdir(folder)  # the extension looks for its companion libraries in the working directory
    try:
        return importlib.import_module("chdb._chdb")
    finally:
        os.chdir(came_from)
