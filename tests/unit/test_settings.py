from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from netra.errors import SettingsError
from netra.settings import CONFIG_DIR, Settings, load


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


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"NETRA_ENV": "nowhere"}, "development"),
        ({"NETRA_QUEUE_LEASE_S": "soon"}, "lease_s"),
        ({"NETRA_QUEUE_LEES_S": "5"}, "lees_s"),
        ({"NETRA_CONFIG": "/does/not/exist.toml"}, "exist.toml"),
    ],
)
def test_what_is_not_understood_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(environ)


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
