"""deploy/terraform: parsed, formatted, compared by name with itself and the providers' schemas.

No `terraform` comes in a package, so nothing here plans or applies: what a cloud would refuse of
values (an instance class of another region, a quota) is not seen.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from netra.settings import ClickHouse, Database, Redis
from tests.deploy.conftest import Proof
from tests.deploy.terraform import format as fmt
from tests.deploy.terraform.check import Folder, check, items, load, trees
from tests.deploy.terraform.providers import providers
from tests.deploy.tools import ROOT

CLOUDS = ("aws", "gcp", "azure")

#: The first call downloads the providers' schemas (180 MB).
pytestmark = pytest.mark.timeout(600)


@cache
def cloud(name: str) -> Folder:
    return load(fmt.TERRAFORM / name)


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}: mend this test"
        path.write_text(text.replace(old, new, 1))

    return change


#: A fault planted in AWS's files, and what the check must say.
BROKEN = {
    "a variable renamed": (
        replaced("variables.tf", 'variable "backup_days"', 'variable "backup_day"'),
        "var.backup_days: no such variable",
    ),
    "a variable that nobody uses": (
        replaced(
            "variables.tf",
            'variable "drained"',
            'variable "spare" {\n  type = string\n  description = "x"\n  default = ""\n}\n'
            'variable "drained"',
        ),
        "var.spare is declared and never used",
    ),
    "a local dropped": (
        replaced("postgres.tf", 'is_standby = var.postgres_source_arn != ""', ""),
        "local.is_standby: no such local",
    ),
    "a resource renamed": (
        replaced(
            "redis.tf",
            'resource "aws_elasticache_parameter_group" "main"',
            'resource "aws_elasticache_parameter_group" "other"',
        ),
        "aws_elasticache_parameter_group.main",
    ),
    "an attribute that is none": (
        replaced("outputs.tf", "aws_db_instance.main.address", "aws_db_instance.main.adress"),
        "aws_db_instance has no attribute 'adress'",
    ),
    "an argument misspelt": (
        replaced("postgres.tf", "storage_encrypted     = true", "storage_encryption     = true"),
        "there is no argument 'storage_encryption'",
    ),
    "a nested argument misspelt": (
        replaced("cluster.tf", "endpoint_private_access =", "endpoint_privat_access ="),
        "there is no argument 'endpoint_privat_access'",
    ),
    "a block written as an argument": (
        replaced(
            "cluster.tf",
            "update_config {\n    max_unavailable = 1\n  }",
            "update_config = {\n    max_unavailable = 1\n  }",
        ),
        "'update_config' is written update_config { … }",
    ),
    "a required argument left out": (
        replaced("cluster.tf", "  role_arn            = aws_iam_role.cluster.arn\n", ""),
        "'role_arn' is required and missing",
    ),
    "one of many not named": (
        replaced(
            "outputs.tf", "aws_db_instance.replica[*].address", "aws_db_instance.replica.address"
        ),
        "this names no one of them",
    ),
    "many of one": (
        replaced("outputs.tf", "aws_db_instance.main.arn", "aws_db_instance.main[0].arn"),
        "this picks from several",
    ),
    "a name in a values file that is none": (
        replaced("environments/production.tfvars", "dns_role ", "dns_rolle "),
        "environments/production.tfvars: dns_rolle is no variable",
    ),
    "a required variable not given": (
        replaced("environments/dr.tfvars", 'environment = "dr"', ""),
        "environments/dr.tfvars: environment has no default and is not given",
    ),
    "an object without one of its keys": (
        replaced("environments/production.tfvars", "  read_replicas  = 2\n", ""),
        "postgres must have instance_class, read_replicas, storage_gb",
    ),
    "a key that the object has not": (
        replaced("postgres.tf", "var.postgres.storage_gb * 2", "var.postgres.size_gb * 2"),
        "the variable's object has no 'size_gb'",
    ),
    "a provider not pinned exactly": (
        replaced("versions.tf", 'version = "6.69.1"', 'version = "~> 6.69"'),
        "'~> 6.69' is no exact version",
    ),
    "a provider of another version than the schema's": (
        replaced("versions.tf", 'version = "6.69.1"', 'version = "6.1.0"'),
        "the schema checked is of hashicorp/aws 6.69.1",
    ),
    "an alias that no provider has": (
        replaced("backups.tf", "provider = aws.copy", "provider = aws.second"),
        "no provider has that alias",
    ),
    "a secret in the state": (
        replaced(
            "secrets.tf",
            "secret_string_wo         = local.clickhouse_password",
            "secret_string = local.clickhouse_password",
        ),
        "'secret_string' would carry a secret into the state",
    ),
    "a secret in an output": (
        replaced(
            "outputs.tf",
            "value       = local.clickhouse_host",
            'value = local.netra_secrets["redis-url"]',
        ),
        "output.clickhouse_host: 'value' would carry a secret",
    ),
    "a template's name not given": (
        replaced("clickhouse.tf", "    region    = var.region\n", ""),
        "clickhouse.sh.tftpl takes 'region'",
    ),
    "an output without description": (
        replaced("outputs.tf", '  description = "Read replicas."\n', ""),
        "output.postgres_replica_hosts has no description",
    ),
    "a data source that nobody reads": (
        replaced("encryption.tf", "data.aws_iam_policy_document.key.json", '"{}"'),
        "data.aws_iam_policy_document.key is declared and never used",
    ),
}


def _missed(folder: Path) -> list[str]:
    """Planted faults that the check misses. Only changed files are parsed anew, all at once."""
    original, changed = cloud("aws"), folder / "changed"
    for fault, (plant, _) in BROKEN.items():
        copy = folder / fault
        shutil.copytree(original.path, copy)
        plant(copy)
        for path in fmt.files(copy):
            name = path.relative_to(copy)
            if path.read_text() != (original.path / name).read_text():
                target = changed / fault / name
                target.parent.mkdir(parents=True)
                shutil.copy(path, target)
    parsed = trees(changed)
    missed = []
    for fault, (_, said) in BROKEN.items():
        new = {
            name.removeprefix(f"{fault}/"): tree
            for name, tree in parsed.items()
            if name.startswith(f"{fault}/")
        }
        broken = Folder(
            path=folder / fault,
            files=original.files | {n: t for n, t in new.items() if n in original.files},
            values=original.values | {n: t for n, t in new.items() if n in original.values},
        )
        problems = check(broken, providers())
        if not any(said in problem for problem in problems):
            missed.append(f"{fault}: {problems}")
    return missed


def test_a_file_that_is_no_terraform_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "aws_vpc" "main" {{\n}\n')
    with pytest.raises(ValueError, match=r"main\.tf"):
        load(tmp_path)


def test_names_and_arguments_agree(tmp_path: Path, proof: Proof) -> None:
    found = {name: check(cloud(name), providers()) for name in CLOUDS}
    assert found == {name: [] for name in CLOUDS}
    files = fmt.files()
    texts = [path.read_text() for path in files]
    assert [
        p.name for p, t, f in zip(files, texts, fmt.formatted(texts), strict=True) if t != f
    ] == []
    assert _missed(tmp_path) == []
    resources = sum(len(cloud(name).declared) for name in CLOUDS)
    versions = ", ".join(f"{n} {p.version}" for n, p in sorted(providers().items()))
    proof(
        f"terraform: {len(files)} files parsed and in hclwrite's form; {resources} resources and "
        "data sources: every reference, variable, output, argument and block looked up in the "
        f"providers' schemas ({versions}): 0 problems; {len(BROKEN)} of {len(BROKEN)} planted "
        "faults found; not planned: there is no terraform here"
    )


def test_a_line_out_of_form_is_found() -> None:
    assert fmt.formatted(["a   = 1\nbb = 2\n"]) == ["a  = 1\nbb = 2\n"]


def _argument(name: str, resource: str, *path: str) -> object:
    type_, label = resource.split(".")
    value: object = cloud(name).declared["resource", type_, label][1]
    for part in path:
        if isinstance(value, list):
            value = value[0]
        assert isinstance(value, dict)
        value = value[part]
    return value


_DAYS = "${var.backup_days}"
_RULES = "aws_s3_bucket_lifecycle_configuration.backups"
_EVICTION = ("default_database", "eviction_policy")

#: What must not drift: cloud, resource, argument, value (operations: windows, ports, policies).
FIGURES = [
    ("aws", "aws_db_instance.main", ("backup_window",), '"03:00-04:00"'),
    ("aws", "aws_db_instance.main", ("maintenance_window",), '"sun:04:00-sun:05:00"'),
    ("aws", "aws_db_instance.main", ("backup_retention_period",), "${var.backup_days}"),
    ("aws", "aws_db_instance.main", ("multi_az",), True),
    ("aws", "aws_db_instance.main", ("storage_encrypted",), True),
    ("aws", "aws_db_instance.main", ("storage_type",), '"gp3"'),
    ("aws", "aws_elasticache_replication_group.main", ("snapshot_retention_limit",), 7),
    ("aws", "aws_elasticache_replication_group.main", ("snapshot_window",), '"03:00-05:00"'),
    ("aws", "aws_elasticache_replication_group.main", ("automatic_failover_enabled",), True),
    ("aws", "aws_elasticache_replication_group.main", ("at_rest_encryption_enabled",), True),
    ("aws", "aws_elasticache_replication_group.main", ("transit_encryption_enabled",), True),
    ("aws", "aws_elasticache_parameter_group.main", ("parameter", "value"), '"noeviction"'),
    ("aws", "aws_lb.main", ("enable_deletion_protection",), True),
    ("aws", "aws_lb.main", ("enable_http2",), True),
    ("aws", _RULES, ("rule", "expiration", "days"), "${local.expire_days}"),
    ("gcp", "google_sql_database_instance.main", ("settings", "availability_type"), '"REGIONAL"'),
    ("gcp", "google_redis_instance.main", ("replica_count",), 2),
    ("gcp", "google_redis_instance.main", ("redis_configs", "maxmemory-policy"), '"noeviction"'),
    ("azure", "azurerm_managed_redis.main", _EVICTION, '"NoEviction"'),
    ("azure", "azurerm_postgresql_flexible_server.main", ("backup_retention_days",), _DAYS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "resource", "path", "value"), FIGURES)
def test_figures(name: str, resource: str, path: tuple[str, ...], value: object) -> None:
    assert _argument(name, resource, *path) == value


def _default(name: str, variable: str) -> object:
    value = cloud(name).variables[variable]["default"]
    return dict(items(value)) if isinstance(value, dict) else value


def test_sizes_and_regions() -> None:
    for name in CLOUDS:
        assert _default(name, "backup_days") == 30
    assert (_default("aws", "region"), _default("aws", "copy_region")) == (
        '"us-east-1"',
        '"us-west-2"',
    )
    assert _default("gcp", "zone") == '"us-central1-a"'
    assert _default("azure", "location") == '"eastus"'
    assert _default("aws", "vpc_cidr") == '"10.0.0.0/16"'
    for group in ("cpu_nodes", "gpu_nodes"):
        nodes = _default("aws", group)
        assert isinstance(nodes, dict)
        assert (nodes["min"], nodes["max"], nodes["desired"]) == (2, 10, 3)
    assert _default("aws", "postgres") == {
        "instance_class": '"db.r5.xlarge"', "storage_gb": 100, "read_replicas": 1}  # fmt: skip
    assert _default("aws", "redis") == {"node_type": '"cache.r6g.large"', "nodes": 3}
    production = dict(items(cloud("aws").values["environments/production.tfvars"]))
    assert dict(items(production["postgres"])) == {
        "instance_class": '"db.r5.2xlarge"', "storage_gb": 500, "read_replicas": 2}  # fmt: skip
    assert dict(items(production["redis"])) == {"node_type": '"cache.r6g.xlarge"', "nodes": 3}
    clickhouse = dict(items(production["clickhouse"]))
    assert (clickhouse["instance_type"], clickhouse["nodes"]) == ('"r5.2xlarge"', 6)
    assert (clickhouse["replicas"], clickhouse["storage_gb"]) == (2, 1000)
    standby = dict(items(cloud("aws").values["environments/dr.tfvars"]))
    assert (standby["region"], standby["copy_region"]) == ('"us-west-2"', '"us-east-1"')
    assert standby["dns_role"] == '"SECONDARY"'


def _secrets(name: str) -> dict[str, str]:
    """The URLs that a cloud's secret holds, with names for what only an apply would know."""
    locals_ = cloud(name).locals
    tree = (
        locals_["netra_secrets"]
        if name == "aws"
        else dict(items(locals_["secret_values"]))["netra-secrets"]
    )
    found = {}
    for key, value in items(tree):
        text = value.strip('"')
        text = re.sub(r"\$\{[^}]*port\}", "6380", text)
        found[key] = re.sub(r"\$\{[^}]*\}", "x1", text)
    return found


@pytest.mark.parametrize("name", CLOUDS)
def test_netra_understands_the_urls_of_the_secret(name: str) -> None:
    """By the code that reads them: PostgreSQL's, ClickHouse's and Redis's clients, and Celery's."""
    from kombu import Connection
    from psycopg.conninfo import conninfo_to_dict
    from redis.connection import parse_url

    from netra.store.clickhouse import database_of

    secrets = _secrets(name)
    assert set(secrets) == {
        "database-url", "redis-url", "clickhouse-url", "jwt-secret", "bootstrap-api-key",
    }  # fmt: skip
    conninfo = conninfo_to_dict(Database(url=secrets["database-url"]).url)
    assert (conninfo["user"], conninfo["dbname"], conninfo["sslmode"]) == (
        "netra",
        "netra",
        "require",
    )
    assert database_of(ClickHouse(url=secrets["clickhouse-url"])) == "netra"
    redis = Redis(url=secrets["redis-url"]).url
    assert urlsplit(redis).scheme == "rediss"
    wanted = parse_qs(urlsplit(redis).query)["ssl_cert_reqs"][0]
    assert parse_url(redis)["ssl_cert_reqs"] == wanted
    assert Connection(redis).ssl, "Celery would speak to it without TLS"


@pytest.mark.parametrize("name", CLOUDS)
def test_the_chart_knows_the_values_that_a_cloud_decides(name: str) -> None:
    chart = yaml.safe_load((ROOT / "deploy/helm/netra/values.yaml").read_text())
    expression = cloud(name).outputs["helm_values"]["value"]
    given = dict(re.findall(r"(\w+)\s*=\s*(\{[^}]*\}|[\w.]+)", expression))
    given.pop("managedPrometheus", None)
    assert "managedPrometheus" in chart["networkPolicy"]
    assert ("managedPrometheus" in expression) == (name != "aws")
    assert {"environment", "domain", "networkPolicy", "postgresql", "redis", "clickhouse"} == set(
        given
    )
    for key, value in given.items():
        assert key in chart
        for inner in re.findall(r"[{,]\s*(\w+)\s*=", value):
            assert inner in chart[key], f"values.yaml has no {key}.{inner}"
    assert chart["secrets"]["name"] == "netra-secrets"
