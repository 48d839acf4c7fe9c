from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from netra.errors import SettingsError
from netra.settings import CONFIG_DIR, Settings, load, variables
from netra.settings_sources import READ_ELSEWHERE, unknown

ROOT = Path(__file__).parents[2]


def test_the_environment_overrides_the_file() -> None:
    settings = load({"NETRA_QUEUE_LEASE_S": "7.5", "NETRA_WORKERS_ALLOW_CPU_FALLBACK": "false"})
    assert settings.queue.lease_s == 7.5
    assert settings.workers.allow_cpu_fallback is False


def test_names_that_other_tools_set_are_understood() -> None:
    settings = load({"DATABASE_URL": "postgresql://a/b", "ASYNC_MAX_WORKERS": "7"})
    assert settings.database.url == "postgresql://a/b"
    assert settings.api.async_max_workers == 7


def test_what_tells_a_client_where_the_api_is_is_no_setting() -> None:
    plain = load({})
    assert load({"NETRA_API_URL": "http://a", "NETRA_API_KEY": "k"}) == plain


def test_lists_are_split_at_commas() -> None:
    settings = load({"NETRA_API_ALLOWED_ORIGINS": "https://a.example, https://b.example"})
    assert settings.api.allowed_origins == ("https://a.example", "https://b.example")


def test_a_file_of_ones_own_comes_over_the_environments(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[queue]\nlease_s = 3\n")
    assert load({"NETRA_CONFIG": str(own)}).queue.lease_s == 3
    own.write_text("[queue]\nlease = 3\n")
    with pytest.raises(SettingsError, match="lease"):
        load({"NETRA_CONFIG": str(own)})


#: What is refused, and words that say which name it was, and what would do.
REFUSED = {
    "NETRA_ENV=nowhere": "development, dr, production, staging",
    "NETRA_CONFIG=/does/not/exist.toml": "exist.toml",
    "NETRA_QUEUE_LEASE_S=soon": "NETRA_QUEUE_LEASE_S='soon'.*a number above 0",
    "NETRA_QUEUE_LEASE_S=-5": "NETRA_QUEUE_LEASE_S='-5'.*a number above 0",
    "NETRA_QUEUE_LEASE_S=inf": "NETRA_QUEUE_LEASE_S",
    "NETRA_QUEUE_LEASE_S=nan": "NETRA_QUEUE_LEASE_S",
    "NETRA_QUEUE_LEASE_S=": "NETRA_QUEUE_LEASE_S",
    "NETRA_METRICS_PORT=99999": "NETRA_METRICS_PORT='99999'.*from 0 to 65535",
    "NETRA_API_PORT=-1": "NETRA_API_PORT='-1'.*from 1 to 65535",
    "NETRA_TRACING_SAMPLE=7": "from 0 to 1",
    "NETRA_TRACING_ENDPOINT=collector:4318": "http://host:port",
    "NETRA_LOGGING_FORMAT=xml": "one of: json, text",
    "NETRA_LOGGING_LEVEL=LOUD": "one of: CRITICAL, DEBUG",
    "NETRA_API_TRUSTED_PROXIES=10.0.0.0/8,banana": "'10.0.0.0/8,banana'.*10.0.0.0/16",
    "NETRA_API_ALLOWED_ORIGINS=app.example.org": "https://app.example.org",
    "NETRA_WORKERS_CPU_CONCURRENCY=0": "a whole number, 1 or more",
    "NETRA_WORKERS_ALLOW_CPU_FALLBACK=maybe": "true or false",
    "NETRA_BACKUP_KEEP_DAYS=-1": "a whole number, 1 or more",
    "NETRA_BACKUP_URL=gs://bucket": "s3://bucket/prefix",
    "DATABASE_URL=mysql://me:geheim@host/db": "DATABASE_URL is not.*postgresql://",
    "REDIS_URL=http://:geheim@host": "REDIS_URL is not.*redis://",
    "REDIS_URL=redis://:geheim@host:6379/99x": "REDIS_URL is not.*host:port/0",
    "REDIS_URL=redis://:geheim@host/0/1": "REDIS_URL is not",
    "REDIS_URL=redis://:geheim@host?db=x": "REDIS_URL is not",
    "REDIS_URL=unix:///run/valkey.sock?db=": "REDIS_URL is not",
    "CLICKHOUSE_URL=host:8123/geheim": "CLICKHOUSE_URL is not.*http://",
    "NETRA_DATABASE_URL=postgresql://me:geheim@host:99999/db": "NETRA_DATABASE_URL is not",
    "NETRA_QUEUE_HEARTBEAT_S=6": "NETRA_QUEUE_LEASE_S=10 does not go with .*HEARTBEAT_S=6",
    "NETRA_QUEUE_LEASE_S=1.6": "more than 2 times as long",
    "NETRA_QUEUE_WORKER_STALE_S=1": "NETRA_QUEUE_WORKER_STALE_S=1 does not go with",
    "NETRA_QUEUE_BACKOFF_MAX_S=0.1": "NETRA_QUEUE_BACKOFF_S=0.5",
    "NETRA_DATABSE_URL=x": "NETRA_DATABSE_URL names no setting; is NETRA_DATABASE_URL meant",
    "NETRA_QUEUE_LEES_S=5": "is NETRA_QUEUE_LEASE_S meant",
    "NETRA_QUEUE_PATIENCE=5": "queue has: lease_s, heartbeat_s",
    "NETRA_CONFG=/a.toml": "is NETRA_CONFIG meant",
    "NETRA_HOME=/tmp/x": "NETRA_HOME names no setting; is NETRA_EMBEDDED_HOME meant",
    "NETRA_HOM=/tmp/x": "NETRA_HOM names no setting.* the nearest is NETRA_",
    "NETRA_FOO_BAR=1": "NETRA_FOO_BAR names no setting.* the nearest is NETRA_.*docs/settings.md",
    "NETRA_SITE=north": "NETRA_SITE names no setting.*kept for those",
    "NETRA_=": "NETRA_ names no setting",
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_is_wrong_is_refused_in_one_line_that_says_what_would_do(given: str) -> None:
    variable, _, value = given.partition("=")
    with pytest.raises(SettingsError, match=REFUSED[given]) as refused:
        load({variable: value})
    assert "\n" not in refused.value.detail
    assert "geheim" not in refused.value.detail


def test_what_is_at_the_edge_is_taken() -> None:
    given = {
        "NETRA_METRICS_PORT": "0",
        "NETRA_API_PORT": "65535",
        "NETRA_TRACING_SAMPLE": "0",
        "NETRA_LOGGING_LEVEL": "debug",
        "NETRA_API_TRUSTED_PROXIES": "::1, 10.0.0.0/8",
        "NETRA_BACKUP_URL": "relative/folder",
        "NETRA_QUEUE_LEASE_S": "1.7",
        "DATABASE_URL": "postgresql+psycopg:///netra?host=/tmp",
        "REDIS_URL": "unix:///run/valkey.sock",
        "CLICKHOUSE_URL": "https://user:p%40ss@host/netra",
        "NETRA_TRACING_ENDPOINT": "",
    }
    settings = load(given)
    assert settings.logging.level == "DEBUG"
    assert (settings.metrics.port, settings.api.port, settings.tracing.sample) == (0, 65535, 0)
    assert settings.clickhouse.url == given["CLICKHOUSE_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://host:6379/",
        "redis://:p@host:6379/15",
        "rediss://u:p@host/0?ssl_cert_reqs=none",
        "redis://host?db=3&protocol=3",
        "unix:///run/valkey.sock?db=2",
        "unix://:p@/run/valkey.sock",
    ],
)
def test_a_url_of_redis_that_the_driver_understands_is_taken(url: str) -> None:
    assert load({"REDIS_URL": url}).redis.url == url


def test_a_value_in_a_file_is_named_with_its_file(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    for text, words in (
        ("[queue]\nlease_s = 0\n", "lease_s in .*own.toml=0 .*above 0"),
        ("[queue]\nlees_s = 9\n", "own.toml: lees_s is no setting; .queue. has: lease_s"),
        ("[quue]\nlease_s = 9\n", "own.toml: quue is no setting; .*has: .*queue"),
        ("lease_s = 9\n", "own.toml: lease_s stands outside"),
        ("[api]\ntrusted_proxies = ['banana']\n", "trusted_proxies in .*own.toml=.'banana'."),
        ("[api]\ntrusted_proxies = [5]\n", "trusted_proxies in .*own.toml"),
        ("[queue\n", "own.toml: .*line 1"),
    ):
        own.write_text(text)
        with pytest.raises(SettingsError, match=words):
            load({"NETRA_CONFIG": str(own)})


def test_other_programs_variables_are_left_alone() -> None:
    plain = load({})
    links = {
        "NETRA_BACKEND_SERVICE_HOST": "10.0.0.1",
        "NETRA_API_SERVICE_PORT_HTTP": "8000",
        "NETRA_REDIS_PORT": "tcp://10.0.0.1:6379",
        "NETRA_REDIS_PORT_6379_TCP_ADDR": "10.0.0.1",
    }
    assert load({**links, **dict.fromkeys(READ_ELSEWHERE, ""), "NETRA_ENV": "development"}) == plain
    assert load({"NETRASITE": "north", "MY_NETRA_HOME": "/tmp/x"}) == plain
    assert unknown({**links, "NETRA_SITE": "north", "NETRA_ENV": "dr"}, variables()) == [
        "NETRA_SITE"
    ]


def test_every_name_that_only_looks_like_a_setting_is_read_where_it_says() -> None:
    for variable, where in READ_ELSEWHERE.items():
        assert variable in (ROOT / where).read_text(), (variable, where)
    folders = ("netra", "workers", "compose", "scripts", "deploy", "benchmarks", "docs", "config")
    kinds = {".py", ".sh", ".yaml", ".yml", ".tpl", ".md", ".tf", ".tfvars", ".toml", ""}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    # What the tests set is theirs to get wrong; what starts them is not.
    files += [ROOT / "Makefile", ROOT / "README.md", *ROOT.glob(".*.yml")]
    files += [path for name in (".ci", ".github") for path in (ROOT / name).rglob("*")]
    files += [*ROOT.glob("tests/conftest.py"), *ROOT.glob("tests/*/conftest.py")]
    used: dict[str, str] = {}
    for path in files:
        if path.is_file() and path.suffix in kinds:
            names = re.findall(
                r"\bNETRA_[A-Z0-9_]*[A-Z0-9]\b(?!_)", path.read_text("utf-8", "ignore")
            )
            used |= dict.fromkeys(names, str(path))
    known = {*variables(), *READ_ELSEWHERE}
    assert len(used) > 60
    assert {name: where for name, where in used.items() if name not in known} == {}


@pytest.mark.parametrize("name", ["development", "staging", "production", "dr"])
def test_every_environment_loads_and_holds_no_secret(name: str) -> None:
    assert (CONFIG_DIR / f"{name}.toml").is_file()
    settings = load({"NETRA_ENV": name})
    assert settings.environment == name
    assert settings.workers.allow_cpu_fallback is (name == "development")
    for url in (settings.database.url, settings.redis.url, settings.clickhouse.url):
        assert url == ""
    assert settings.api.jwt_secret_key == ""


def test_the_lease_outlives_several_heartbeats() -> None:
    queue = Settings().queue
    assert queue.lease_s <= 15
    assert queue.lease_s > 5 * queue.heartbeat_s


@pytest.mark.parametrize("name", ["development", "staging", "production", "dr"])
def test_every_value_of_an_environment_is_one_that_the_settings_know(name: str) -> None:
    given = tomllib.loads((CONFIG_DIR / f"{name}.toml").read_text())
    settings = load({"NETRA_ENV": name})
    for group, values in given.items():
        for key, value in values.items():
            assert getattr(getattr(settings, group), key) == value


def test_a_switch_to_the_standby_changes_no_behaviour() -> None:
    dr, production = load({"NETRA_ENV": "dr"}), load({"NETRA_ENV": "production"})
    assert msgspec.structs.replace(dr, environment="production") == production


def test_no_settings_file_holds_what_looks_like_a_secret() -> None:
    files = [p for p in CONFIG_DIR.rglob("*") if p.is_file()]
    assert len(files) >= 8
    secret = re.compile(
        r"://[^\s/]*:[^\s/]*@|^\s*(requirepass|masterauth|password|\w*secret\w*|\w*_key)\b", re.M
    )
    found = {p.name: secret.findall(p.read_text()) for p in files if secret.search(p.read_text())}
    assert found == {}
    assert secret.search("url = 'redis://:word@host'"), "it would be seen"
    assert secret.search("requirepass word")
