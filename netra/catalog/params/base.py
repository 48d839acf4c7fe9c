"""What the parameters of all agents have in common."""

from __future__ import annotations

import msgspec


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""

    def check(self, where: str) -> None:
        """Checks what a type cannot say. Raises InvalidInput naming `where`."""
