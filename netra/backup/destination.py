"""Where backups are kept: a folder, or a store of objects that speaks S3.

Objects appear whole or not at all under their names, in both. Credentials, region, endpoint and
server-side encryption of an object store come from its usual variables (`AWS_…`) or the machine's
role, never from Netra's settings.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from netra.backup import room
from netra.embedded import lock
from netra.errors import InvalidInput, NotFound, SettingsError, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CHUNK_BYTES = 4 << 20


class Destination(Protocol):
    """Files by name; a name has `/` between its parts."""

    url: str

    def put(self, name: str, file: Path) -> None:
        """Keeps a copy of `file`, durably when this returns."""
        ...

    def write(self, name: str, content: bytes) -> None: ...

    def fetch(self, name: str, file: Path) -> None:
        """Copies what is kept to `file`. Raises NotFound if there is no such name."""
        ...

    def read(self, name: str) -> bytes:
        """Raises NotFound if there is no such name."""
        ...

    def names(self, prefix: str) -> list[str]:
        """All names below the folder `prefix`, sorted."""
        ...

    def delete(self, name: str) -> None: ...

    def writing(self, store: str) -> AbstractContextManager[None]:
        """Says for the length of the block that a backup of the store is being written."""
        ...

    def quiet(self, store: str) -> AbstractContextManager[bool]:
        """For the block: whether it is sure that nobody writes a backup of the store."""
        ...

    def sweep_drafts(self) -> list[str]:
        """Removes what killed writers left half written; their names."""
        ...

    def refuse_if_missing(self, *, to_write: bool) -> None:
        """Raises InvalidInput if it is not there, or (`to_write`) may be a disk's empty place."""
        ...


def at(url: str) -> Destination:
    """The destination that a setting names.

    Raises:
        SettingsError: there is none, or it is of no known kind.
    """
    if not url:
        raise SettingsError("NETRA_BACKUP_URL is not set: a folder, or s3://bucket/prefix")
    if url.startswith("s3://"):
        return Objects(url)
    if "://" in url and not url.startswith("file://"):
        raise SettingsError(f"NETRA_BACKUP_URL={url!r}: a folder, or s3://bucket/prefix")
    return Folder(Path(url.removeprefix("file://")))


class Folder:
    """A folder, on a disk that does not share its fate with the stores."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.url = str(self.path)

    def put(self, name: str, file: Path) -> None:
        with self._draft(name) as target, file.open("rb") as source:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)

    def write(self, name: str, content: bytes) -> None:
        with self._draft(name) as target:
            target.write(content)

    def fetch(self, name: str, file: Path) -> None:
        try:
            source = (self.path / name).open("rb")
        except FileNotFoundError as e:
            raise NotFound(f"{self.path / name} is missing") from e
        with source, room.named(file), file.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError as e:
            raise NotFound(f"{self.path / name} is missing") from e

    def names(self, prefix: str) -> list[str]:
        found = (p for p in (self.path / prefix).rglob("*") if p.is_file())
        return sorted(str(p.relative_to(self.path)) for p in found if not p.name.startswith("."))

    def delete(self, name: str) -> None:
        path = self.path / name
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.path or any(folder.iterdir()):
                break
            folder.rmdir()

    @contextmanager
    def writing(self, store: str) -> Iterator[None]:
        with self._lock(store, fcntl.LOCK_SH) as held:
            assert held
            yield

    @contextmanager
    def quiet(self, store: str) -> Iterator[bool]:
        if not (self.path / store).is_dir():
            yield True
            return
        with self._lock(store, fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
            yield held

    def sweep_drafts(self) -> list[str]:
        found = [p for p in self.path.rglob(".*") if _DRAFT.search(p.name) and p.is_file()]
        left = [p for p in found if _is_left(p)]
        for path in left:
            path.unlink(missing_ok=True)
        return [str(p.relative_to(self.path)) for p in left]

    def refuse_if_missing(self, *, to_write: bool) -> None:
        mend = "mount the disk, or correct NETRA_BACKUP_URL or --at"
        if to_write:
            mend += "; to begin a new folder of backups there, say --create once"
        if not self.path.is_dir():
            raise InvalidInput(f"there is no folder {self.path}: {mend}")
        # What a disk is mounted on is an empty folder of the first disk while it is not.
        if to_write and not any(self.path.iterdir()) and _is_on_first_disk(self.path):
            raise InvalidInput(f"{self.path} is empty, and on the disk of the system: {mend}")

    @contextmanager
    def _lock(self, store: str, how: int) -> Iterator[bool]:
        path = self.path / store / ".writing"
        with room.named(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, how)
                held = True
            except BlockingIOError:
                held = False
            yield held
        finally:
            os.close(handle)

    @contextmanager
    def _draft(self, name: str) -> Iterator[BinaryIO]:
        """A file to write to, which takes its name when all of it is on the disk."""
        path = self.path / name
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with room.named(path):
            # Backups hold what the stores hold: nobody else may read them.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.touch(mode=0o600)
            try:
                with draft.open("wb") as target:
                    # Who sweeps sees by it that somebody is writing.
                    fcntl.flock(target, fcntl.LOCK_SH)
                    yield target
                    _settle(target)
                    draft.replace(path)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _is_on_first_disk(folder: Path) -> bool:
    """Whether nothing is mounted there or above, but the file system of `/`."""
    there = folder.resolve()
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:  # not Linux
        return there.stat().st_dev == Path("/").stat().st_dev
    # A folder that is bound to another place has the same device: only the list knows of it.
    points = {Path(line.split()[4].replace("\\040", " ")) for line in lines}
    return next((p for p in (there, *there.parents) if p in points), Path("/")) == Path("/")


#: How a draft is called: `.NAME.PID`.
_DRAFT = re.compile(r"^\..+\.\d+$")
#: One that was just made may not be locked yet, seconds.
_YOUNG_S = 60.0


def _is_left(draft: Path) -> bool:
    """Whether nobody is writing this draft."""
    try:
        return time.time() - draft.stat().st_mtime >= _YOUNG_S and not lock.is_held(draft)
    except FileNotFoundError:
        return False


class Objects:
    """A bucket that speaks S3, or a part of one below a prefix."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._store = _bucket(url)

    def put(self, name: str, file: Path) -> None:
        import obstore

        with _answers(name):
            # Objects of many parts appear whole, when the last part is there.
            obstore.put(self._store, name, file, chunk_size=16 << 20)

    def write(self, name: str, content: bytes) -> None:
        import obstore

        with _answers(name):
            obstore.put(self._store, name, content)

    def fetch(self, name: str, file: Path) -> None:
        import obstore

        with _answers(name), file.open("wb") as target:
            for part in obstore.get(self._store, name).stream(min_chunk_size=_CHUNK_BYTES):
                target.write(part)

    def read(self, name: str) -> bytes:
        import obstore

        with _answers(name):
            return bytes(obstore.get(self._store, name).bytes())

    def names(self, prefix: str) -> list[str]:
        import obstore

        with _answers(prefix):
            pages = obstore.list(self._store, prefix=prefix)
            return sorted(found["path"] for page in pages for found in page)

    def delete(self, name: str) -> None:
        import obstore

        with _answers(name):
            obstore.delete(self._store, name)

    def writing(self, store: str) -> AbstractContextManager[None]:
        return nullcontext()

    def quiet(self, store: str) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def sweep_drafts(self) -> list[str]:
        return []  # of what is not put whole, a bucket keeps no name

    def refuse_if_missing(self, *, to_write: bool) -> None:
        self.names("")  # a bucket that is not there says so


def _bucket(url: str) -> ObjectStore:
    try:
        from obstore.store import S3Store
    except ImportError as e:
        raise SettingsError("backups to s3:// need obstore: pip install 'netra[backup-s3]'") from e
    # Plain HTTP is for an object store on the same machine; its endpoint's scheme says so.
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return S3Store.from_url(url, client_options={"allow_http": plain})


@contextmanager
def _answers(name: str) -> Iterator[None]:
    """Names what an object store's refusals mean."""
    from obstore.exceptions import BaseError, NotFoundError

    try:
        yield
    except (NotFoundError, FileNotFoundError) as e:
        raise NotFound(f"{name} is missing") from e
    except BaseError as e:
        raise StoreUnavailable(f"the object store, for {name or 'its list'}: {_words(e)}") from e


def _words(error: Exception) -> str:
    """What it says to a person: its first paragraph, without what is for its makers."""
    said = " ".join(str(error).partition("\n\n")[0].split())
    return f"{said.partition(' Debug source:')[0]} (see AWS_ENDPOINT_URL and the AWS_ credentials)"


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
