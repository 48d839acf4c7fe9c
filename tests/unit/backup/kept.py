"""Backups as tests of what is done with them need: a manifest, and files that have its hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from netra.backup import manifest
from netra.backup.destination import Destination
from netra.backup.manifest import File, Manifest


def backup(
    store: str,
    ended_at: datetime,
    *,
    base: Manifest | None = None,
    position: Mapping[str, str] | None = None,
    content: bytes = b"content",
) -> Manifest:
    kind = "incremental" if base else "full"
    file = File(name="file", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return Manifest(
        store=store,
        id=manifest.new_id(ended_at, kind),
        kind=kind,
        base=base.id if base else None,
        began_at=ended_at - timedelta(minutes=1),
        ended_at=ended_at,
        netra="0",
        server="0",
        schema="0001",
        position={
            **{"system": "1", "timeline": "1", "start": "0/1000028"},
            **(position or {}),
            "end": (position or {}).get("end") or (position or {}).get("start") or "0/1000028",
        },
        rows={},
        files=(file,),
    )


def keep(destination: Destination, made: Manifest, content: bytes = b"content") -> Manifest:
    destination.write(f"{made.folder}/file", content)
    manifest.keep(destination, made)
    return made
