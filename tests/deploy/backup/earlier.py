"""Earlier versions of Netra, taken from the repository's own history."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
VERSIONS = ROOT / "netra" / "store" / "migrations" / "postgres" / "versions"
_PARTS = ("netra", "workers", "config", "pyproject.toml")


def revisions() -> list[str]:
    """All revisions of PostgreSQL's schema, oldest first."""
    return sorted({path.name[:4] for path in VERSIONS.glob("[0-9]*.py")})


def before(revision: str, into: Path) -> Path:
    """The last code whose schema was that before `revision`, unpacked into `into`.

    Skips the test where the history is not there: a clone of few commits cannot tell.
    """
    (file,) = VERSIONS.glob(f"{revision}_*.py")
    made = _git("log", "--diff-filter=A", "--format=%H", "--", str(file.relative_to(ROOT)))
    if made is None or not made.split() or _git("rev-parse", f"{made.split()[-1]}^") is None:
        pytest.skip(f"no history here that shows the code before revision {revision}")
    archive = into / "tree.tar"
    commit = f"{made.split()[-1]}^"
    assert _git("archive", "--format=tar", f"--output={archive}", commit, *_PARTS) is not None
    with tarfile.open(archive) as tar:
        tar.extractall(into / "tree", filter="data")
    archive.unlink()
    return into / "tree"


def constants(tree: Path) -> set[str]:
    """The revisions that an earlier version knows."""
    folder = tree / "netra" / "store" / "migrations" / "postgres" / "versions"
    texts = [path.read_text() for path in folder.glob("[0-9]*.py")]
    found = (re.search(r'^revision = "(\d+)"', text, re.M) for text in texts)
    return {match[1] for match in found if match}


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
