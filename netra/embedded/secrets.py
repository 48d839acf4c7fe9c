"""The stack's passwords and its first API key: made once, kept in a file only its owner reads."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from netra.embedded import jsonfile
from netra.errors import NetraError


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    postgres_password: str
    valkey_password: str
    clickhouse_password: str
    jwt_secret_key: str
    #: The key that the first migration stores hashed; whoever holds it may call the API.
    api_key: str
    flower_user: str
    flower_password: str


def generate() -> Secrets:
    """Fresh secrets, of characters that need no quoting in URLs, shells or configuration files."""
    return Secrets(
        postgres_password=secrets.token_hex(16),
        valkey_password=secrets.token_hex(16),
        clickhouse_password=secrets.token_hex(16),
        jwt_secret_key=secrets.token_hex(32),
        api_key=f"netra_{secrets.token_hex(24)}",
        flower_user="netra",
        flower_password=secrets.token_hex(16),
    )


def write_api_key(path: Path, kept: Secrets) -> None:
    """Writes the first API key to a file of its own, for those who call the API by hand."""
    if not path.exists() or path.read_text().strip() != kept.api_key:
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(f"{kept.api_key}\n")


def ensure(path: Path) -> Secrets:
    """The secrets in `path`, which is made if it is missing.

    Raises:
        NetraError: the file is not what this function wrote. It is not replaced: the stores
            were made with the passwords in it.
    """
    kept = jsonfile.read(path)
    if not kept:
        fresh = generate()
        jsonfile.write(path, msgspec.to_builtins(fresh), mode=0o600)
        return fresh
    try:
        return msgspec.convert(kept, Secrets)
    except msgspec.ValidationError as e:
        raise NetraError(
            f"{path}: {e}; restore it from a backup: the stores were made with its passwords"
        ) from e
