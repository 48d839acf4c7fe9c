"""The real stack in the namespaces: each process with the command and settings of its pod."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netra.embedded import home as homes
from netra.embedded import postgres, secrets, valkey
from netra.embedded.component import Component
from netra.embedded.home import Home
from tests.deploy.chart import objects
from tests.deploy.network.namespaces import Network

HERE = Path(__file__).parent
_CLICKHOUSE = (
    "import sys; from netra.embedded.clickhouse import __main__ as server; "
    "server.LOOPBACK = sys.argv.pop(1); server.main()"
)
#: Where pods mount folders that they may write to.
_FOLDERS = ("NETRA_API_SPOOL_DIR", "NUMBA_CACHE_DIR", "HOME")


class Stack:
    """Stores and processes of Netra, each in the namespace of its component."""

    def __init__(self, network: Network, manifests: Sequence[dict[str, Any]], home: Path) -> None:
        self.network = network
        self.manifests = manifests
        self.home = Home(home)
        self.secrets = secrets.generate()
        self.account = homes.prepare(self.home)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_stores(self) -> None:
        """Each bound to the address of its namespace, on the port that the policies open."""
        given = self.secrets
        server = postgres.component(self.home, 5432, given.postgres_password, self.account)
        server.prepare()
        with (self.home.postgres / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.77.0.0/24 scram-sha-256\n")
        address = self.network.endpoints["postgresql"].ip
        self._start_store("postgresql", server, "-c", f"listen_addresses={address}")

        broker = valkey.component(self.home, 6379, given.valkey_password)
        broker.prepare()
        with (self.home.valkey / "valkey.conf").open("a") as configuration:
            configuration.write(f"bind {self.network.endpoints['redis'].ip}\n")
        self._start_store("redis", broker)

        address = self.network.endpoints["clickhouse"].ip
        folder = str(self.home.clickhouse)
        engine = Component(
            name="clickhouse",
            command=(
                sys.executable,
                "-c",
                _CLICKHOUSE,
                address,
                "--path",
                folder,
                "--port",
                "8123",
            ),
            env={"CLICKHOUSE_PASSWORD": given.clickhouse_password},
        )
        self._start_store("clickhouse", engine)

    def migrate(self) -> None:
        """Runs the migration Job to its end."""
        process = self._start("migrate", {"NETRA_BOOTSTRAP_API_KEY": self.secrets.api_key})
        assert process.wait(60) == 0, self.log("migrate")

    def start(self, *names: str) -> None:
        for name in names:
            self._start(name, {})

    def log(self, name: str) -> str:
        """The end of what a process said."""
        return self.home.log(name).read_text()[-3000:]

    def job(self, *, within_s: float, job: str | None = None, **params: Any) -> dict[str, str]:
        """Submits a job from the ingress and waits for it (or for `job`): `{"job", "state"}`."""
        asked = {
            "url": "http://netra-backend:8000",
            "key": self.secrets.api_key,
            "params": params,
            "within_s": within_s,
            "job": job,
        }
        return json.loads(
            self.run("ingress-controller", str(HERE / "client.py"), json.dumps(asked))
        )

    def run(self, name: str, *arguments: str) -> str:
        """What a Python program says that runs in the namespace of an endpoint."""
        done = subprocess.run(
            self.network.command(name, [sys.executable, *arguments]),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def get(self, name: str, url: str) -> tuple[int, str]:
        """What a URL answers to the namespace of an endpoint; status 0: nothing."""
        program = (
            "import json, sys, urllib.request, urllib.error\n"
            "try:\n"
            "    with urllib.request.urlopen(sys.argv[1], timeout=3) as a:\n"
            "        said = [a.status, a.read().decode()]\n"
            "except urllib.error.HTTPError as e:\n"
            "    said = [e.code, e.read().decode()]\n"
            "except OSError as e:\n"
            "    said = [0, str(e)]\n"
            "print(json.dumps(said))"
        )
        status, text = json.loads(self.run(name, "-c", program, url))
        return status, text

    def _start_store(self, name: str, store: Component, *more: str) -> None:
        env = {"PATH": os.environ["PATH"], **store.env}
        user = store.account.uid if store.account else None
        with self.home.log(name).open("wb") as log:
            self.processes[name] = self.network.start(
                name, [*store.command, *more], env=env, log=log, user=user
            )

    def _start(self, name: str, more: dict[str, str]) -> subprocess.Popen[bytes]:
        owner = f"netra-{name}"
        [spec] = [s for n, s in objects.specs(self.manifests) if n == owner]
        [container] = spec["containers"]
        command = [sys.executable, *container["command"][1:]]
        env = self._environment(name, container) | more
        with self.home.log(name).open("wb") as log:
            process = self.network.start(name, command, env=env, log=log)
        self.processes[name] = process
        return process

    def _environment(self, name: str, container: dict[str, Any]) -> dict[str, str]:
        """The pod's own variables; what a Secret holds comes from here."""
        env: dict[str, str] = {"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd()}
        if "envFrom" in container:
            env |= objects.find(self.manifests, "ConfigMap", "netra-settings")["data"]
        for entry in container["env"]:
            if "value" in entry:
                env[entry["name"]] = entry["value"]
            else:
                value = self._secret(**entry["valueFrom"]["secretKeyRef"])
                if value is not None:
                    env[entry["name"]] = value
        for folder in _FOLDERS:
            path = self.home.path / "pods" / name / folder.lower()
            path.mkdir(parents=True, exist_ok=True)
            env[folder] = str(path)
        return env | {"TMPDIR": env["HOME"]}

    def _secret(self, name: str, key: str, optional: bool = False) -> str | None:
        given = self.secrets
        held = {
            ("netra-secrets", "database-url"): (
                f"postgresql://netra:{given.postgres_password}@netra-postgresql:5432/netra"
            ),
            ("netra-secrets", "redis-url"): f"redis://:{given.valkey_password}@netra-redis:6379/0",
            ("netra-secrets", "clickhouse-url"): (
                f"http://netra:{given.clickhouse_password}@netra-clickhouse:8123/netra"
            ),
            ("netra-secrets", "jwt-secret"): given.jwt_secret_key,
            ("netra-flower", "user"): given.flower_user,
            ("netra-flower", "password"): given.flower_password,
        }
        return held.get((name, key)) if optional else held[name, key]
