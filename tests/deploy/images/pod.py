"""The pods of backups, and stores beside them: each from the image, as the chart lets them run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netra.embedded.clickhouse.engine import BACKUPS
from netra.settings import ALIASES
from tests.deploy.images.build import Image
from tests.deploy.images.container import Container
from tests.waiting import until

#: Where the pods of the chart have what they may write to.
KEPT, SCRATCH, STORES = "/var/backups/netra", "/var/scratch/netra", "/var/stores"
#: Below the stores: what a server and the pods of backups share, by the same path in both.
SHARED = f"clickhouse/{BACKUPS}"

_STORES = f"""
import json, signal, threading
from pathlib import Path
from netra.embedded.processes import STORES
from netra.embedded.supervisor import running_stack
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
with running_stack(Path("{STORES}"), STORES) as info:
    draft = Path("{STORES}/draft.json")
    draft.write_text(json.dumps(dict(info.environment)))
    draft.rename("{STORES}/environment.json")
    ended.wait()
"""


class Pods:
    """Containers of one image on read-only roots, and the folders of this machine they share."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.environment: dict[str, str] = {}
        for name in ("tmp", "scratch", "kept", "stores", "stores-tmp"):
            self._own(folder / name)

    def _own(self, folder: Path) -> None:
        """Makes a folder of the image's user, as volumes are given to pods."""
        folder.mkdir()
        os.chown(folder, *map(int, self.image.user.split(":")))

    @contextmanager
    def stores(self) -> Iterator[Mapping[str, str]]:
        """The engines' servers, for the length of the block; the variables that name them."""
        mounts = {self.folder / "stores": STORES, self.folder / "stores-tmp": "/tmp"}
        command = ["python", "-c", _STORES]
        found = self.folder / "stores" / "environment.json"
        log = self.folder / "stores.log"
        with Container(self.image, log, {}, command, mounts=mounts, read_only=True) as servers:
            until(found.exists, log.read_text, within_s=120)
            self._own(self.folder / "stores" / SHARED)
            said = json.loads(found.read_text())
            # As compose and the chart name them; the rest is for processes of that home.
            self.environment = {name: said[name] for name in ALIASES if name in said}
            yield self.environment
            servers.stop(60)

    def container(self, name: str, *command: str) -> Container:
        """A pod of backups: `command`, or what the image runs by itself."""
        mounts = {
            self.folder / "tmp": "/tmp",
            self.folder / "scratch": SCRATCH,
            self.folder / "kept": KEPT,
            self.folder / "stores" / SHARED: f"{STORES}/{SHARED}",
        }
        own = {
            "NETRA_BACKUP_URL": KEPT,
            "NETRA_BACKUP_SCRATCH_DIR": SCRATCH,
            "NETRA_BACKUP_CLICKHOUSE_FOLDER": f"{STORES}/{SHARED}",
            "NETRA_BACKUP_FOLLOW_S": "1",
        }
        return Container(
            self.image,
            self.folder / f"{name}.log",
            {**self.environment, **own},
            command,
            mounts=mounts,
            read_only=True,
        )

    def json(self, *arguments: str) -> Any:
        """What `netra backup …` prints in a pod that ends with it."""
        command = ["netra", "backup", *arguments, "--json"]
        with self.container("-".join(arguments[:2]), *command) as pod:
            assert pod.wait(120) == 0, pod.said()
            # A pod's log has both: before the answer, which stores it is of.
            return json.loads(pod.said().splitlines()[-1])
