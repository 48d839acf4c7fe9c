"""What each resource of a provider takes: read from the providers' own schemas.

HashiCorp's schemas come only with its programs; the bindings that CDK Terrain generates from them
are packages, and name the provider's version. They are downloaded, not installed (they unpack to a
gigabyte), and what they say is kept in `build/tools/terraform-providers`.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import subprocess
import tarfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tests.deploy.tools import BUILT, HERE, tool

_LOCK = HERE / "tools" / "terraform-providers.txt"
_FOLDER = BUILT / "terraform-providers"
_NAMED = re.compile(r"#(\w+) \w+#\1\b")
_KIND = re.compile(r"/providers/([\w-]+/[\w-]+)/([0-9.]+)/docs")


class Argument(msgspec.Struct, frozen=True):
    required: bool
    #: Written as a block, not as `name = value`; then `struct` says what is in it.
    block: bool
    struct: str | None


class Kind(msgspec.Struct, frozen=True):
    """A resource, data source or ephemeral resource."""

    struct: str
    #: What may be read of it, in the camel case of the bindings.
    readable: frozenset[str]


class Provider(msgspec.Struct, frozen=True):
    source: str
    version: str
    #: By `resource.aws_lb`, `data.aws_lb`, `ephemeral.aws_lb`.
    kinds: dict[str, Kind]
    structs: dict[str, dict[str, Argument]]


def camel(name: str) -> str:
    """`vpc_config` as the bindings write it."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


@cache
def providers() -> dict[str, Provider]:
    """By their short name (`aws`); downloaded and read when the lock file is newer."""
    stamp, kept = _FOLDER / ".lock", _FOLDER / "providers.json"
    if not kept.exists() or not stamp.exists() or stamp.read_text() != _LOCK.read_text():
        shutil.rmtree(_FOLDER, ignore_errors=True)
        _FOLDER.mkdir(parents=True)
        pip = [tool("python-hcl2", "python"), "-m", "pip", "download", "--quiet"]
        pip += ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
        pip += ["-r", str(_LOCK), "-d", str(_FOLDER)]
        subprocess.run(pip, check=True)
        read = {}
        for wheel in sorted(_FOLDER.glob("cdktn_provider_*.whl")):
            name = wheel.name.removeprefix("cdktn_provider_").split("-")[0]
            read[name] = _read(_assembly(wheel))
            wheel.unlink()
        kept.write_bytes(msgspec.json.encode(read))
        stamp.write_text(_LOCK.read_text())
    return msgspec.json.decode(kept.read_bytes(), type=dict[str, Provider])


def _assembly(wheel: Path) -> dict[str, Any]:
    """The description of all classes that lies in a package of bindings."""
    with zipfile.ZipFile(wheel) as archive:
        inner = next(n for n in archive.namelist() if n.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(inner))) as package:

            def read(name: str) -> bytes:
                file = package.extractfile(f"package/{name}")
                assert file is not None, f"{wheel.name} has no {name}"
                return file.read()

            found = json.loads(read(".jsii"))
            if found["schema"] == "jsii/file-redirect":
                found = json.loads(gzip.decompress(read(found["filename"])))
            return found


def _read(assembly: dict[str, Any]) -> Provider:
    types = assembly["types"]
    kinds: dict[str, Kind] = {}
    source = version = ""
    for type_ in types.values():
        summary = type_.get("docs", {}).get("summary", "")
        kind = _KIND.search(summary)
        if type_["kind"] != "class" or not kind or "initializer" not in type_:
            continue
        source, version = kind.group(1), kind.group(2)
        name = summary.rstrip("}.").rsplit(" ", 1)[-1]
        base = type_.get("base", "")
        family = {"cdktn.TerraformDataSource": "data", "cdktn.TerraformResource": "resource"}.get(
            base, "ephemeral" if "Ephemeral" in base else ""
        )
        if not family:
            continue
        readable = frozenset(
            p["name"] for p in type_.get("properties", []) if not p["name"].endswith("Input")
        )
        config = type_["initializer"]["parameters"][2]["type"]["fqn"]
        kinds[f"{family}.{name}"] = Kind(config, readable)
    reached: dict[str, dict[str, Argument]] = {}
    waiting = [k.struct for k in kinds.values()]
    while waiting:
        fqn = waiting.pop()
        if fqn in reached or fqn not in types:
            continue
        reached[fqn] = _arguments(types[fqn])
        waiting += [a.struct for a in reached[fqn].values() if a.struct]
    return Provider(source, version, kinds, reached)


def _arguments(struct: dict[str, Any]) -> dict[str, Argument]:
    found = {}
    for property_ in struct.get("properties", []):
        docs = property_.get("docs", {})
        summary = docs.get("summary", "")
        named = _NAMED.search(f"{summary} {docs.get('remarks', '')}")
        inner = re.findall(r'"fqn": "(@[^"]+)"', json.dumps(property_["type"]))
        name = named.group(1) if named else _snake(property_["name"])
        required = not property_.get("optional", False)
        found[name] = Argument(required, " block." in f" {summary}", next(iter(inner), None))
    return found
