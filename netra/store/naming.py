"""What tenants and keys may be called."""

from __future__ import annotations

from netra.errors import InvalidInput, Problem

_LENGTH = 100


def check_name(name: str, noun: str) -> None:
    """A name is shown in tables and typed in commands: it must be seen to be there.

    Raises:
        InvalidInput: it is empty, too long, or holds what cannot be seen.
    """
    if name.isprintable() and name == name.strip() and 1 <= len(name) <= _LENGTH:
        return
    expected = f"1 to {_LENGTH} printable characters, without spaces at the ends"
    problem = Problem(where=noun, problem="not a name", got=name, expected=expected)
    raise InvalidInput(f"a {noun} cannot be called that", [problem])
