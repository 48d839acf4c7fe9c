"""compose.yaml: as the specification allows, as the issue asks, as the embedded stack runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml

from netra import settings
from netra.embedded import processes, valkey
from netra.embedded.home import Home
from netra.embedded.postgres import _LOCALE, NAME
from netra.embedded.secrets import generate
from tests.deploy.chart import objects
from tests.deploy.chart.render import environments
from tests.deploy.compose.model import FOLDER, Unset, load, variables
from tests.deploy.conftest import Proof
from tests.deploy.images import dockerfile
from tests.deploy.tools import ROOT, tool

FILES = ("compose.yaml", "compose.gpu.yaml", "compose.restore.yaml")
#: The one place of each figure is the issue's table of operations.
LIMITS = {
    "backend": ("2", "4G"),
    "frontend": ("1", "2G"),
    "postgres": ("2", "4G"),
    "clickhouse": ("2", "8G"),
    "redis": ("0.5", "1G"),
}
OWN = ("migrate", "api", "worker-cpu", "worker-gpu", "scheduler", "flower")
#: What compose calls the embedded stack's processes, where that differs.
CALLED = {"api": "backend", "valkey": "redis"}
#: Set by the embedded stack for its own sake: its folder, and ports that it shares with others.
ONLY_EMBEDDED = {"NETRA_EMBEDDED_HOME", "NETRA_HEALTH_FOLDER"}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("secrets")
    subprocess.run([FOLDER / "make-secrets", folder], check=True, capture_output=True)
    return variables(folder / ".env")


@pytest.fixture(scope="module")
def whole(secrets: dict[str, str]) -> dict[str, Any]:
    return load(secrets)


@pytest.fixture(scope="module")
def services(whole: dict[str, Any]) -> dict[str, Any]:
    return whole["services"]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The embedded stack's components by name, as a laptop without other stores plans them."""
    given = settings.load({})
    ports = {name: port or 1 for name, port in processes.wanted_ports(given).items()}
    home = Home(tmp_path_factory.mktemp("home"))
    plan = processes.Plan(home=home, settings=given, secrets=generate(), ports=ports, account=None)
    return {c.name: c for group in processes.groups(plan, OWN) for c in group}


def test_the_files_are_what_the_specification_allows(
    secrets: dict[str, str], tmp_path: Path, proof: Proof
) -> None:
    checker = tool("check-jsonschema")
    written = [FOLDER / name for name in FILES]
    for name in FILES:
        # As written, and with the variables put in and both files laid over each other.
        path = tmp_path / name
        path.write_text(json.dumps(load(secrets, *FILES[: FILES.index(name) + 1])))
        written.append(path)
    command = [checker, "--builtin-schema", "vendor.compose-spec", *map(str, written)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"services": {"a": {"image": "b", "helthcheck": {}}}}))
    assert subprocess.run([*command[:3], str(broken)], capture_output=True).returncode == 1
    number = len(load(secrets)["services"])
    proof(f"compose: {', '.join(FILES)} valid by the compose specification; {number} services")


def test_no_file_holds_a_secret_and_none_starts_without(secrets: dict[str, str]) -> None:
    with pytest.raises(Unset, match="compose/make-secrets"):
        load({})
    for name in secrets.keys() - {"NETRA_FLOWER_USER"}:
        with pytest.raises(Unset, match=f"{name}: run compose/make-secrets first"):
            load({**secrets, name: ""})
    for path in [FOLDER / name for name in FILES] + [FOLDER / "Dockerfile"]:
        text = path.read_text()
        words = re.findall(r"^ *(\w*(?:PASSWORD|SECRET|API_KEY)\w*)[:=] *(\S*)", text, re.M)
        # Without a value it is passed on from whoever runs compose.
        assert all(not value or value.startswith("${") for _, value in words), path.name
        assert not re.search(r"://[^$@\s]*:[^$@\s]+@", text)


def test_secrets_are_fresh_private_and_kept(tmp_path: Path) -> None:
    made: list[dict[str, str]] = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        for _ in range(2):
            subprocess.run([FOLDER / "make-secrets", folder], check=True, capture_output=True)
            made.append(variables(folder / ".env"))
        for path in (folder / ".env", folder / "tls" / "tls.key"):
            assert path.stat().st_mode & 0o077 == 0
    assert made[0] == made[1]
    assert made[2] == made[3]
    differing = {name for name in made[0] if made[0][name] != made[2][name]}
    assert differing == made[0].keys() - {"NETRA_FLOWER_USER"}
    assert all(len(made[0][name]) >= 48 for name in differing)
    ignored = ["git", "check-ignore", "compose/.env", "compose/tls/tls.key"]
    assert len(subprocess.check_output(ignored, cwd=ROOT, text=True).splitlines()) == 2


def test_names_limits_and_replicas_are_the_ones_asked_for(
    whole: dict[str, Any], services: dict[str, Any]
) -> None:
    for name, (cpus, memory) in LIMITS.items():
        assert services[name]["deploy"]["resources"]["limits"] == {"cpus": cpus, "memory": memory}
    # Nothing runs without a limit.
    assert all(
        s["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"} for s in services.values()
    )
    assert services["backend"]["deploy"]["replicas"] == 2
    assert services["frontend"]["deploy"]["replicas"] == 2
    assert services["frontend"]["profiles"] == ["frontend"]
    assert services["backup"]["profiles"] == ["backup"]
    assert [name for name, s in services.items() if "profiles" in s] == ["frontend", "backup"]
    data = {"postgres_data", "clickhouse_data", "redis_data"}
    assert set(whole["volumes"]) == data | {"backups", "clickhouse_backups"}
    assert whole["networks"]["netra-network"]["name"] == "netra-network"
    assert all(s["networks"] == ["netra-network"] for s in services.values())
    published = {name: s["ports"] for name, s in services.items() if "ports" in s}
    assert published == {"nginx": ["80:80", "443:443"], "flower": ["127.0.0.1:5555:5555"]}
    assert all(
        s["restart"] == ("no" if n == "migrate" else "unless-stopped") for n, s in services.items()
    )


def test_the_embedded_stack_runs_the_same_commands(
    services: dict[str, Any], embedded: dict[str, Any], proof: Proof
) -> None:
    images = dockerfile.read(FOLDER / "Dockerfile")
    for name, component in embedded.items():
        service = services[CALLED.get(name, name)]
        assert service["command"][0] == "python"
        assert service["command"][1:] == list(component.command[1:]), name
    for image in ("backend", "worker-cpu", "worker-gpu", "backup"):
        (command,) = (i.words for i in images[image].instructions if i.keyword == "CMD")
        assert command == services[image]["command"], "what the image runs by itself"
    proof(f"compose: the same {len(embedded)} commands as the embedded stack, image by image")


def test_settings_have_the_names_that_the_processes_know(
    secrets: dict[str, str], services: dict[str, Any], embedded: dict[str, Any], proof: Proof
) -> None:
    seen: set[str] = set()
    images = dockerfile.read(FOLDER / "Dockerfile")
    for name, component in embedded.items():
        service = services[CALLED.get(name, name)]
        given = {**image_environment(images, service), **service["environment"]}
        # All that is set is a setting, and the values are of its type.
        loaded = settings.load(given)
        assert loaded.api.trusted_proxies == ("172.31.240.0/24",)
        assert loaded.database.url == services["backend"]["environment"]["DATABASE_URL"]
        assert loaded.api.port == settings.Api().port
        wanted = {k: v for k, v in component.env.items() if os.environ.get(k) != v}
        wanted.pop("PYTEST_CURRENT_TEST", None)
        seen |= wanted.keys() & given.keys()
        assert wanted.keys() - given.keys() == ONLY_EMBEDDED & wanted.keys(), name
        for same in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"):
            assert given[same] == component.env[same]
    assert secrets["POSTGRES_PASSWORD"] in services["backend"]["environment"]["DATABASE_URL"]
    proof(f"compose: {len(seen)} variables by the same names as the embedded stack's")


def image_environment(
    images: dict[str, dockerfile.Stage], service: dict[str, Any]
) -> dict[str, str]:
    """What the image of a service sets, its base's included."""
    found: dict[str, str] = {}
    name = service["build"]["target"]
    while name in images:
        for step in reversed(images[name].instructions):
            if step.keyword == "ENV":
                found = {**dict(word.split("=", 1) for word in step.words), **found}
        name = images[name].base
    return found


def test_images_are_the_charts(services: dict[str, Any]) -> None:
    chart = yaml.safe_load((ROOT / "deploy/helm/netra/values.yaml").read_text())
    for service, store in (("postgres", "postgresql"), ("clickhouse",) * 2, ("redis",) * 2):
        assert services[service]["image"] == chart[store]["image"]
    registry = chart["image"]["registry"]
    own = {s["image"] for s in services.values() if s["image"].startswith(registry)}
    names = ("backend", "worker-cpu", "frontend", "backup")
    assert own == {f"{registry}/netra-{name}:latest" for name in names}
    assert "latest" not in "".join(services[n]["image"] for n in ("postgres", "nginx", "redis"))
    account = chart["podSecurity"]
    user = f"{account['userId']}:{account['groupId']}"
    images = dockerfile.read(FOLDER / "Dockerfile")
    for image in ("backend", "worker-cpu", "worker-gpu", "backup"):
        assert [i.text for i in images[image].instructions if i.keyword == "USER"] == [user]


def test_everything_starts_after_what_it_needs(services: dict[str, Any]) -> None:
    checked = {n for n, s in services.items() if not s.get("healthcheck", {}).get("disable")}
    assert checked == services.keys() - {"migrate"}
    stores = dict.fromkeys(("postgres", "clickhouse", "redis"), "service_healthy")
    done = {"migrate": "service_completed_successfully"}
    wanted = dict.fromkeys(
        ("backend", "worker-cpu", "worker-gpu", "scheduler", "flower", "backup"), stores | done
    )
    wanted["migrate"] = {n: stores[n] for n in ("postgres", "clickhouse")}
    wanted["nginx"] = wanted["frontend"] = {"backend": "service_healthy"}
    found = {
        n: {k: v["condition"] for k, v in s["depends_on"].items()}
        for n, s in services.items()
        if "depends_on" in s
    }
    assert found == wanted
    for name, service in services.items():
        if name not in ("postgres", "clickhouse", "redis", "migrate") and "healthcheck" in service:
            check = service["healthcheck"]
            figures = (check["interval"], check["timeout"], check["start_period"])
            assert figures == ("30s", "3s", "40s"), name


def test_with_a_gpu_the_worker_needs_it(secrets: dict[str, str]) -> None:
    service = load(secrets, *FILES)["services"]["worker-gpu"]
    assert service["image"] == "ghcr.io/netra/netra-worker-gpu:latest"
    assert service["build"]["target"] == "worker-gpu"
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert not settings.load(service["environment"]).workers.allow_cpu_fallback
    # Without one it says so, and development lets it do without.
    alone = load(secrets)["services"]["worker-gpu"]
    assert settings.load(alone["environment"]).workers.allow_cpu_fallback


def test_postgres_is_made_as_the_embedded_one(services: dict[str, Any]) -> None:
    own = services["postgres"]
    assert {own["environment"][k] for k in ("POSTGRES_USER", "POSTGRES_DB")} == {NAME}
    made = set(own["environment"]["POSTGRES_INITDB_ARGS"].split())
    assert made == set(_LOCALE) - {"--no-instructions"}
    # 18's image keeps its clusters one folder higher than those before it.
    assert "postgres_data:/var/lib/postgresql" in own["volumes"]


def test_the_stores_let_backups_be_made(
    services: dict[str, Any], secrets: dict[str, str], proof: Proof
) -> None:
    """Its pods' likes in the chart have the same account, folder and rules."""
    own = services["backup"]
    given = settings.load({k: v for k, v in own["environment"].items() if v is not None}).backup
    mounts = {
        name: dict(reversed(v.split(":")[:2]) for v in services[name]["volumes"])
        for name in ("postgres", "clickhouse", "backup")
    }
    # Server and backup see the folder by one path, and the server may write there.
    shared = {mounts[name][given.clickhouse_folder] for name in ("clickhouse", "backup")}
    assert shared == {"clickhouse_backups"}
    source = mounts["clickhouse"]["/etc/clickhouse-server/config.d/backups.xml"]
    allowed = ElementTree.parse(FOLDER / source).findtext("backups/allowed_path")
    assert allowed == given.clickhouse_folder
    chart = environments()["backups"].manifests
    text = objects.find(chart, "ConfigMap", "netra-clickhouse")["data"]["backups.xml"]
    assert ElementTree.fromstring(text).findtext("backups/allowed_path") == allowed
    account = yaml.safe_load((ROOT / "deploy/helm/netra/values.yaml").read_text())["clickhouse"]
    user = f"{account['podSecurity']['userId']}:{account['podSecurity']['groupId']}"
    assert own["user"] == user
    # Both volumes begin as folders of the image that anybody may write to.
    (made,) = dockerfile.read(FOLDER / "Dockerfile")["runtime-backup"].runs()
    assert mounts["backup"][given.url] == "backups"
    assert f"--mode 1777 {given.url} {given.clickhouse_folder}" in made.text
    # PostgreSQL sends its log to the role of the URL, and does so in the chart.
    command = services["postgres"]["command"]
    (hba,) = (w.partition("=")[2] for w in command if w.startswith("hba_file="))
    rules = [
        line.split()
        for line in (FOLDER / mounts["postgres"][hba]).read_text().splitlines()
        if not line.startswith("#")
    ]
    role = urlsplit(own["environment"]["DATABASE_URL"]).username
    (replication,) = (r for r in rules if r[1] == "replication")
    assert role in replication[2].split(",")
    text = objects.find(chart, "ConfigMap", "netra-postgresql")["data"]["pg_hba.conf"]
    assert [line.split() for line in text.splitlines()] == rules
    proof(
        f"compose and chart: backups run as {user}, with one folder, one rule for replication and"
        " one configuration of ClickHouse"
    )


def test_valkey_starts_with_these_files_and_keeps_everything(
    whole: dict[str, Any], secrets: dict[str, str], tmp_path: Path, proof: Proof
) -> None:
    """The command of the file, with the program that the embedded stack runs."""
    service = whole["services"]["redis"]
    (config,) = service["configs"]
    password = tmp_path / "password.conf"
    password.write_text(whole["configs"][config["source"]]["content"])
    (mounted,) = [v.split(":") for v in service["volumes"] if v.startswith("../")]
    assert mounted[1] == service["command"][1]
    places = {
        mounted[1]: (FOLDER / mounted[0]).resolve(),
        config["target"]: password,
        "/data": tmp_path,
    }
    _, *arguments = [str(places.get(word, word)) for word in service["command"]]
    assert secrets["REDIS_PASSWORD"] not in " ".join(service["command"])

    port = free_port()
    program = valkey.component(Home(tmp_path / "home"), port, "unused").command[0]
    running = subprocess.Popen(
        [program, *arguments, "--port", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 10
        while not valkey.answers(port, secrets["REDIS_PASSWORD"]):
            assert time.monotonic() < until, "valkey does not answer with the password"
            time.sleep(0.05)
        assert not valkey.answers(port, "another")
        said = ask(port, secrets["REDIS_PASSWORD"], ("maxmemory-policy", "appendonly", "dir"))
    finally:
        running.terminate()
        running.wait(timeout=10)
    assert said == {"maxmemory-policy": "noeviction", "appendonly": "yes", "dir": str(tmp_path)}
    # What the health check makes of the same file.
    (word,) = re.findall(r"\$\((cut [^)]*)\)", service["healthcheck"]["test"][1])
    cut = word.replace(config["target"], str(password))
    assert (
        subprocess.check_output(["sh", "-c", cut], text=True).strip() == secrets["REDIS_PASSWORD"]
    )
    proof("compose: Valkey run with compose's command and files: AOF on, noeviction, by password")


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port: int, password: str, names: tuple[str, ...]) -> dict[str, str]:
    import redis

    with redis.Redis(port=port, password=password, decode_responses=True) as client:
        found: Any = client.config_get(*names)
        return found


def test_the_commands_of_the_page_name_what_there_is(services: dict[str, Any]) -> None:
    text = (FOLDER / "README.md").read_text()
    commands = [line.split() for line in text.splitlines() if line.startswith("docker compose ")]
    assert len(commands) >= 10
    known = {"up", "ps", "logs", "exec", "build", "run", "stop", "down"}
    for words in commands:
        files = [words[i + 1] for i, word in enumerate(words) if word == "--file"]
        assert files
        assert all((ROOT / path).is_file() for path in files)
        rest = words[2 + 2 * len(files) :]
        assert rest[0] in known, words
        valued = [rest[i + 1] for i, w in enumerate(rest) if w in ("--scale", "--since")]
        named = [w for w in rest[1:] if not w.startswith("--") and w not in valued]
        # What follows the service is a command in it.
        named = named[:1] if rest[0] in ("exec", "run") else named
        scaled = [w.partition("=")[0] for w in valued if "=" in w]
        assert set(scaled + named) <= services.keys(), words
    assert (FOLDER / "make-secrets").stat().st_mode & 0o111
