"""What the parameters of all agents have in common."""

from __future__ import annotations

from typing import get_type_hints

import msgspec


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""

    @classmethod
    def files(cls) -> dict[str, str]:
        """The parameters that a command line names a file for, and what such a file holds.

        `json`: one JSON value, which is the parameter. `events`: a trace in any format that can
        be ingested; the parameter is a list of objects, one an event, with the columns that the
        agent's catalog entry names. Declared by `Meta(extra={"file": …})`.
        """
        found: dict[str, str] = {}
        for name, hint in get_type_hints(cls, include_extras=True).items():
            for meta in getattr(hint, "__metadata__", ()):
                extra = meta.extra if isinstance(meta, msgspec.Meta) else None
                if extra and "file" in extra:
                    found[name] = extra["file"]
        return found

    def check(self, where: str) -> None:
        """Checks what a type cannot say. Raises InvalidInput naming `where`."""
