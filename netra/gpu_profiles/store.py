"""Arrays on disk, by everything that they were computed from; written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netra.analysis.compiled import Floats

log = logging.getLogger(__name__)

Arrays = Mapping[str, Floats]


def default_folder() -> Path:
    """Where tables are kept: `NETRA_GPU_PROFILES`, or a folder of the user's cache."""
    named = os.environ.get("NETRA_GPU_PROFILES")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "netra" / "gpu-profiles"


class Store:
    """A folder of arrays. Several processes may read and write it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: Mapping[str, Any], compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of that key, computed if they are not there or not whole."""
        text = json.dumps(key, sort_keys=True)
        path = self._folder / (hashlib.sha256(text.encode()).hexdigest()[:32] + ".npz")
        found = _read(path, text)
        if found is None:
            found = dict(compute())
            self._write(path, text, found)
        return found

    def _write(self, path: Path, key: str, arrays: Arrays) -> None:
        """A folder that cannot be written costs time, not the answer."""
        part: str | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file, part = tempfile.mkstemp(dir=self._folder, suffix=".part")
            with os.fdopen(file, "wb") as out:
                np.savez(out, allow_pickle=False, __key__=np.array(key), **arrays)
                out.flush()
                os.fsync(out.fileno())
            os.replace(part, path)
            part = None
        except OSError as e:
            log.warning("tables of step times are not kept in %s: %s", self._folder, e)
        finally:
            if part is not None:
                with contextlib.suppress(OSError):
                    os.unlink(part)


def _read(path: Path, key: str) -> dict[str, Floats] | None:
    """None where there is no such file, or it is of something else, or broken."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            if str(held["__key__"]) != key:
                return None
            return {name: held[name] for name in held.files if name != "__key__"}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as e:
        log.warning("%s is broken and is computed anew: %s", path.name, e)
        return None
