"""What a build may see of the repository: `.dockerignore`, and `COPY` by its rules."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of `.dockerignore`: `*` stays within a folder, `**/` spans any."""
    escaped = re.escape(text.strip("/"))
    escaped = escaped.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return re.compile(f"{escaped}(?:/.*)?")


class Context:
    """The files below `root` that its `.dockerignore` lets through; the last rule decides."""

    def __init__(self, root: Path) -> None:
        self.root = root
        lines = (root / ".dockerignore").read_text().splitlines()
        rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        self._rules = [(not r.startswith("!"), _pattern(r.removeprefix("!"))) for r in rules]

    def sees(self, relative: str) -> bool:
        ignored = False
        for ignores, pattern in self._rules:
            if pattern.fullmatch(relative):
                ignored = ignores
        return not ignored

    def files(self, source: str) -> list[Path]:
        """The visible files of a `COPY`'s source, which is a file or a folder.

        Raises:
            FileNotFoundError: the build does not see any.
        """
        start = self.root / source
        found = [start] if start.is_file() else [p for p in start.rglob("*") if p.is_file()]
        seen = [p for p in found if self.sees(str(p.relative_to(self.root)))]
        if not seen:
            raise FileNotFoundError(f"COPY {source}: the build sees no such file")
        return seen

    def copy(self, sources: list[str], target: Path, *, is_folder: bool) -> None:
        """Files are put into (or as) `target`; of a folder, what is in it."""
        for source in sources:
            start = self.root / source
            for path in self.files(source):
                name = path.name if start.is_file() else str(path.relative_to(start))
                into = target if start.is_file() and not is_folder else target / name
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, into)
                into.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
