"""A JSON file that is replaced whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from netra.errors import NetraError


def write(path: Path, content: Any, *, mode: int = 0o644) -> None:
    """Replaces `path` atomically: a reader, or a crash, sees the old text or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as f:
            json.dump(content, f, indent=2, sort_keys=True)
            f.write("\n")
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path) -> dict[str, Any]:
    """The object in `path`; empty when there is no such file.

    Raises:
        NetraError: the file is there but is not a JSON object, or cannot be read.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        raise NetraError(f"{path} cannot be read: {e}") from e
    if not isinstance(content, dict):
        raise NetraError(f"{path} holds no JSON object; remove it, and it is made anew")
    return content
