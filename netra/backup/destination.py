"""Where backups are kept: a folder, or a store of objects that speaks S3.

Objects appear whole or not at all under their names, in both. Credentials, region, endpoint and
server-side encryption of an object store come from its usual variables (`AWS_…`) or the machine's
role, never from Netra's settings.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from netra.errors import NotFound, SettingsError, StoreUnavailable

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
        draft = self._draft(name)
        with file.open("rb") as source, draft.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
            _settle(target)
        self._publish(draft, name)

    def write(self, name: str, content: bytes) -> None:
        draft = self._draft(name)
        with draft.open("wb") as target:
            target.write(content)
            _settle(target)
        self._publish(draft, name)

    def fetch(self, name: str, file: Path) -> None:
        try:
            shutil.copyfile(self.path / name, file)
        except FileNotFoundError as e:
            raise NotFound(f"{self.path / name} is missing") from e

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

    def _draft(self, name: str) -> Path:
        path = self.path / name
        try:
            # Backups hold what the stores hold: nobody else may read them.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            draft.touch(mode=0o600)
        except OSError as e:
            raise StoreUnavailable(f"{path.parent}: {e.strerror}") from e
        return draft

    def _publish(self, draft: Path, name: str) -> None:
        path = self.path / name
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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
        raise StoreUnavailable(f"{name}: {e}") from e


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
