"""Backups in a store of objects: the same commands, against a server that speaks S3."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest

from netra.embedded.ports import LOOPBACK, is_open
from tests.deploy.backup.place import Place, place
from tests.deploy.conftest import Proof
from tests.deploy.tools import tool


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """An empty bucket; the variables by which the object store's client finds it."""
    with socket.socket() as s:
        s.bind((LOOPBACK, 0))
        port = s.getsockname()[1]
    command = [tool("moto", "moto_server"), "-H", LOOPBACK, "-p", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        for _ in range(300):
            if is_open(port):
                break
            time.sleep(0.2)
        url = f"http://{LOOPBACK}:{port}"
        made = urllib.request.Request(f"{url}/netra-backups", method="PUT")
        with urllib.request.urlopen(made, timeout=60) as answer:
            assert answer.status == 200
        # The server takes any key; these name themselves.
        keys = {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto"}
        yield {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", **keys}
    finally:
        server.terminate()
        server.wait()


@pytest.mark.timeout(300)
def test_a_stack_is_backed_up_to_a_bucket_and_restored(
    bucket: dict[str, str], proof: Proof
) -> None:
    with place() as local:
        made = Place(home=local.home, kept=local.kept, url="s3://netra-backups/a/b", environ=bucket)
        with made.stores() as work:
            work.migrate()
            work.ingest(10_000, 1)
            made.run("backup.sh", "all")
            held = work.fingerprint()
        assert [path.name for path in local.kept.iterdir()] == ["begun"]
        made.destroy()
        done = made.json("restore.sh")
        assert done["consistency"]["lost_ingests"] == []
        with made.stores() as work:
            assert work.fingerprint() == held
        found = made.json("verify", "--hashes-only")
        assert found["hashes"]["backups"] == 3
        nowhere = Place(home=local.home, kept=local.kept, url="s3://no-such/a", environ=bucket)
        refused = nowhere.run("list", check=False)
        assert refused.returncode == 1
        assert "Debug source" not in refused.stderr
        assert "Generic {" not in refused.stderr
        assert "AWS_ENDPOINT_URL" in refused.stderr.replace("\n", " ")
    proof(
        f"backup to S3 (moto's server): {found['hashes']['files']} objects, restored to the same"
        " hashes of all rows"
    )
