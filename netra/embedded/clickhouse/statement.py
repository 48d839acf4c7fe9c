"""What kind of statement a query is: enough of ClickHouse's grammar to serve it, and no more."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: One token of SQL: white space, comment, quoted text, word, or any single byte.
_TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|\#[\ !][^\n]*|/\*.*?\*/)
    |(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)

#: The format that ends a query, its settings behind it.
_LAST_FORMAT = re.compile(
    rb"\bFORMAT\s+([A-Za-z][A-Za-z0-9_]*)\s*(?:SETTINGS\b[^()`\"]*)?;?\s*\Z", re.IGNORECASE
)
#: Where `_LAST_FORMAT` is looked for, bytes from the end.
_TAIL = 4096

#: What follows an INSERT's format name up to its data: blanks, `;`, and one line end.
_BEFORE_DATA = re.compile(rb"[ \t\f]*;?[ \t\f]*\r?\n?")

#: Formats of which several results in a row are one longer result.
_ROW_FORMATS = frozenset(
    {
        *("native", "rowbinary", "csv", "raw"),
        *("tabseparated", "tsv", "tabseparatedraw", "tsvraw"),
        *("jsoneachrow", "jsonlines", "ndjson", "jsonstringseachrow", "jsoncompacteachrow"),
    }
)
_ARROW_STREAM = "arrowstream"


@dataclass(frozen=True, kw_only=True)
class Insert:
    """An `INSERT` whose rows come with it, taken apart."""

    #: `INSERT INTO table (columns)`.
    target: bytes
    #: `SETTINGS …`, or nothing.
    settings: bytes
    #: The name of its format.
    format: bytes
    #: Where its data begin in the text it was found in.
    data_at: int

    def from_file(self, path: str) -> bytes:
        """The same insert with its data read from `path`."""
        quoted = path.replace("\\", "\\\\").replace("'", "\\'").encode()
        source = b" FROM INFILE '" + quoted + b"' "
        return self.target + source + self.settings + b" FORMAT " + self.format


def first_word(query: bytes) -> bytes:
    """The first keyword, in upper case, comments and opening brackets passed over."""
    for match in _TOKEN.finditer(query):
        if match.lastgroup == "word":
            return match.group().upper()
        if match.lastgroup == "quoted":
            break
    return b""


def output_format(query: bytes, default: str) -> str:
    """The format in which the query's result is written: the one it ends with, else `default`."""
    match = _LAST_FORMAT.search(query[-_TAIL:])
    return match.group(1).decode() if match else default


def is_arrow_stream(format: str) -> bool:
    return format.lower() == _ARROW_STREAM


def streams(query: bytes, format: str) -> bool:
    """Whether the result may be fetched piece by piece, and the pieces joined into one."""
    selects = first_word(query) in (b"SELECT", b"WITH") and not _writes(query)
    return selects and (format.lower() in _ROW_FORMATS or is_arrow_stream(format))


def _writes(query: bytes) -> bool:
    """Whether a `WITH … INSERT` or a `SELECT … INTO OUTFILE` may be in it; errs to yes."""
    upper = query.upper()
    return b"OUTFILE" in upper or (upper.lstrip().startswith(b"WITH") and b"INSERT" in upper)


def insert_with_rows(text: bytes) -> Insert | None:
    """The `INSERT … FORMAT name` or `INSERT … VALUES` at the start of `text`, else None."""
    if first_word(text[:_TAIL]) != b"INSERT":
        return None
    depth = 0
    settings_at: int | None = None
    before = b""
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if kind == "other":
            depth += (token == b"(") - (token == b")")
        word = token.upper() if kind == "word" and depth == 0 else b""
        if before == b"FORMAT" and word:
            end = _BEFORE_DATA.match(text, match.end())
            head = text[: match.start()].rstrip()[: -len("FORMAT")]
            return _taken_apart(head, settings_at, token, end.end() if end else match.end())
        if word == b"VALUES":
            return _taken_apart(text[: match.start()], settings_at, b"Values", match.end())
        if word in (b"SELECT", b"WITH", b"INFILE"):
            return None
        if word == b"SETTINGS" and settings_at is None:
            settings_at = match.start()
        if kind != "skip":
            before = word
    return None


def _taken_apart(head: bytes, settings_at: int | None, format: bytes, data_at: int) -> Insert:
    at = len(head) if settings_at is None else settings_at
    return Insert(
        target=head[:at].rstrip(), settings=head[at:].strip(), format=format, data_at=data_at
    )


def brings_rows(text: bytes) -> bool:
    """Whether `text` is an INSERT of rows that are given to it, not of a query's."""
    head = text[: _TAIL * 16]
    return insert_with_rows(head) is not None or (
        first_word(head) == b"INSERT" and b" FROM INFILE '" in head
    )
