"""A backup's manifest: what it holds, of which server, and the hash of every file.

It is written last. What has no manifest is no backup: a dump that failed leaves none.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from netra.backup.destination import Destination
from netra.backup.errors import BackupDamaged
from netra.errors import NotFound

log = logging.getLogger(__name__)

STORES = ("postgres", "clickhouse", "redis")
NAME = "manifest.json"


class File(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    #: `postgres`, `clickhouse` or `redis`.
    store: str
    id: str
    #: `full` or `incremental`.
    kind: str
    #: The id of the full backup that an incremental one needs.
    base: str | None
    #: The server's clock, before and after: the backup holds all that was there at the beginning,
    #: and nothing that came after the end.
    began_at: datetime
    ended_at: datetime
    netra: str
    server: str
    #: The newest migration applied.
    schema: str
    #: Where it is in the server's history: LSNs, timeline, system identifier.
    position: Mapping[str, str]
    #: Rows by table, counted at the beginning and at the end.
    rows: Mapping[str, tuple[int, int]]
    files: tuple[File, ...]

    @property
    def folder(self) -> str:
        return f"{self.store}/{self.id}"

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def new_id(now: datetime, kind: str) -> str:
    """Sorts by time, and says what it is."""
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{kind}"


def read_id(id: str) -> tuple[datetime, str]:
    """The second and the kind that `new_id` put into it. Raises ValueError if it is no such id."""
    moment, _, kind = id.partition("-")
    return datetime.strptime(moment[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC), kind


def is_name(name: str) -> bool:
    """Whether a file of this name is the manifest of a backup: `STORE/ID/manifest.json`."""
    parts = name.split("/")
    return len(parts) == 3 and parts[2] == NAME


def described(name: str, file: Path) -> File:
    return File(name=name, size_bytes=file.stat().st_size, sha256=sha256(file))


def sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def keep(destination: Destination, manifest: Manifest) -> None:
    """Writes the manifest: from now on there is a backup."""
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    destination.write(f"{manifest.folder}/{NAME}", content)


def read(destination: Destination, store: str, id: str) -> Manifest:
    """Raises NotFound, or BackupDamaged if it is not a manifest."""
    name = f"{store}/{id}/{NAME}"
    try:
        found = msgspec.json.decode(destination.read(name), type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as e:
        raise BackupDamaged(f"{destination.url}/{name}: {e}") from e
    if (found.store, found.id) != (store, id):
        raise BackupDamaged(f"{destination.url}/{name} is that of {found.store} {found.id}")
    return found


def listed(destination: Destination, store: str, *, strict: bool = False) -> list[Manifest]:
    """The backups of a store, oldest first.

    A manifest that cannot be read is named in the log and passed over: it costs no other backup.

    Raises:
        BackupDamaged: there is one, and this is `strict`.
    """
    found: list[Manifest] = []
    for name in destination.names(store):
        if is_name(name):
            try:
                found.append(read(destination, store, name.split("/")[1]))
            except BackupDamaged as e:
                if strict:
                    raise
                log.warning("passed over, as its manifest cannot be read: %s", e.detail)
    return found


def named(destination: Destination, store: str, id: str) -> Manifest:
    """The backup of this id. Raises NotFound, naming those that there are, or BackupDamaged."""
    try:
        return read(destination, store, id)
    except NotFound as e:
        there = ", ".join(m.id for m in listed(destination, store)) or "none"
        raise NotFound(f"{destination.url} has no backup {store} {id}; it has: {there}") from e


def chain(destination: Destination, newest: Manifest) -> list[Manifest]:
    """What is needed to restore `newest`: its base, if it has one, and itself.

    Raises:
        BackupDamaged: the base is missing.
    """
    if newest.base is None:
        return [newest]
    try:
        return [read(destination, newest.store, newest.base), newest]
    except NotFound as e:
        raise BackupDamaged(f"{newest.store} {newest.id} needs {newest.base}: {e.detail}") from e


def fetch(destination: Destination, manifest: Manifest, folder: Path) -> None:
    """Copies the backup's files into `folder` and compares every hash.

    Raises:
        BackupDamaged: a file is missing or is not the one that was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in manifest.files:
        fetch_file(destination, manifest, file, folder / file.name)


def fetch_file(destination: Destination, manifest: Manifest, file: File, target: Path) -> None:
    """Copies one file of the backup to `target`. Raises BackupDamaged as `fetch` does."""
    name = f"{manifest.folder}/{file.name}"
    try:
        destination.fetch(name, target)
    except NotFound as e:
        raise BackupDamaged(f"{destination.url}/{name} is missing") from e
    _compare(f"{destination.url}/{name}", file, target)


def fetch_kept(destination: Destination, name: str, hash_: str, target: Path) -> None:
    """Fetches a file whose SHA-256 its name says. Raises BackupDamaged if it is another."""
    destination.fetch(name, target)
    _compare_hash(f"{destination.url}/{name}", hash_, sha256(target))


def read_kept(destination: Destination, name: str, hash_: str) -> bytes:
    """What a small file of that kind holds. Raises BackupDamaged as `fetch_kept` does."""
    content = destination.read(name)
    _compare_hash(f"{destination.url}/{name}", hash_, hashlib.sha256(content).hexdigest())
    return content


def _compare(name: str, file: File, found: Path) -> None:
    size = found.stat().st_size
    if size != file.size_bytes:
        raise BackupDamaged(f"{name} has {size} bytes; it was written with {file.size_bytes}")
    _compare_hash(name, file.sha256, sha256(found))


def _compare_hash(name: str, written: str, found: str) -> None:
    if found != written:
        raise BackupDamaged(f"{name} does not have the SHA-256 that it was written with")


def latest_full(manifests: Iterable[Manifest]) -> Manifest | None:
    full = [m for m in manifests if m.kind == "full"]
    return full[-1] if full else None
