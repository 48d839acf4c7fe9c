"""All names of one Terraform folder compared with each other and with the providers' schemas."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.deploy.terraform.providers import Provider, camel
from tests.deploy.terraform.references import INDEX, Reference, references, template_names
from tests.deploy.tools import tool

_META = frozenset(
    {"count", "for_each", "depends_on", "provider", "lifecycle", "provisioner", "connection"}
)
_META_BLOCKS = frozenset({"lifecycle", "provisioner", "connection"})
_KINDS = {"resource": "resource", "data": "data", "ephemeral": "ephemeral"}
_HIDDEN = frozenset({"__is_block__", "__comments__", "__inline_comments__"})
_EXACT = re.compile(r"\d+\.\d+\.\d+")

Tree = dict[str, Any]


def trees(folder: Path) -> dict[str, Tree]:
    """The files below `folder`, parsed.

    Raises:
        ValueError: one of them is not Terraform's language; it says which and where.
    """
    parse = [tool("python-hcl2", "python"), str(Path(__file__).with_name("parse.py")), str(folder)]
    answer = subprocess.run(parse, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ValueError(answer.stderr.strip())
    return json.loads(answer.stdout)


def plain(text: str) -> str:
    return text.strip('"')


def items(tree: Tree) -> Iterator[tuple[str, Any]]:
    return ((plain(k), v) for k, v in tree.items() if k not in _HIDDEN)


@dataclass
class Folder:
    """One root module: its `.tf` files, and the values files of its environments."""

    path: Path
    files: dict[str, Tree]
    values: dict[str, Tree]
    problems: list[str] = field(default_factory=list)

    def blocks(self, kind: str) -> Iterator[tuple[str, Tree]]:
        for name, tree in self.files.items():
            for block in tree.get(kind, []):
                yield name, block

    @cached_property
    def declared(self) -> dict[tuple[str, str, str], tuple[str, Tree]]:
        """Resources, data sources and ephemeral resources: (family, type, name) -> (file, body)."""
        found = {}
        for family in _KINDS:
            for name, block in self.blocks(family):
                for type_, named in items(block):
                    for label, body in items(named):
                        key = (family, type_, label)
                        if key in found:
                            self.problems.append(f"{name}: {'.'.join(key)} is declared twice")
                        found[key] = (name, body)
        return found

    @cached_property
    def variables(self) -> dict[str, Tree]:
        return {k: body for _, b in self.blocks("variable") for k, body in items(b)}

    @cached_property
    def locals(self) -> dict[str, Any]:
        return {k: v for _, b in self.blocks("locals") for k, v in items(b)}

    @cached_property
    def outputs(self) -> dict[str, Tree]:
        return {k: body for _, b in self.blocks("output") for k, body in items(b)}


def load(folder: Path) -> Folder:
    """`folder`, parsed.

    Raises:
        ValueError: a file is not Terraform's language.
    """
    all_ = trees(folder)
    return Folder(
        path=folder,
        files={n: t for n, t in all_.items() if n.endswith(".tf")},
        values={n: t for n, t in all_.items() if n.endswith(".tfvars")},
    )


def check(folder: Folder, providers: dict[str, Provider]) -> list[str]:
    """What is wrong, one line a finding; nothing: the names agree."""
    used = _References(folder, providers)
    for name, tree in folder.files.items():
        used.walk(name, tree)
    for (family, type_, label), (name, body) in folder.declared.items():
        _arguments(folder, providers, name, f"{family}.{type_}", label, body)
    _providers(folder, providers)
    _variables(folder)
    _secrets(folder)
    _templates(folder)
    for kind in sorted({k for t in folder.files.values() for k in t} - _KNOWN_BLOCKS - _HIDDEN):
        folder.problems.append(f"a block {kind!r} is not one that this check knows")
    for output, body in folder.outputs.items():
        if "description" not in body:
            folder.problems.append(f"output.{output} has no description")
    seen = {r.parts[:2] for r in used.found}
    for kind, names in (("var", folder.variables), ("local", folder.locals)):
        for unused in sorted(n for n in names if (kind, n) not in seen):
            folder.problems.append(f"{kind}.{unused} is declared and never used")
    looked_at = {r.parts[1:3] for r in used.found if r.parts[0] == "data"}
    for family, type_, label in folder.declared:
        if family == "data" and (type_, label) not in looked_at:
            folder.problems.append(f"data.{type_}.{label} is declared and never used")
    return sorted(set(folder.problems))


_KNOWN_BLOCKS = frozenset({"terraform", "provider", "variable", "locals", "output", *_KINDS})


class _References:
    """Every reference of the folder, looked up."""

    def __init__(self, folder: Folder, providers: dict[str, Provider]) -> None:
        self.folder, self.providers = folder, providers
        self.found: list[Reference] = []

    def walk(
        self, name: str, value: Any, inside: str = "", bound: frozenset[str] = frozenset()
    ) -> None:
        if isinstance(value, dict):
            for key, inner in items(value):
                if key == "dynamic":
                    for block in inner:
                        for label, body in items(block):
                            self.walk(name, body, inside, bound | {plain(label)})
                    continue
                # A key may be an expression as well.
                self._look(name, key, inside, bound)
                self.walk(name, inner, key, bound)
        elif isinstance(value, list):
            for inner in value:
                self.walk(name, inner, inside, bound)
        elif isinstance(value, str):
            self._look(name, value, inside, bound)

    def _look(self, name: str, text: str, inside: str, bound: frozenset[str]) -> None:
        if inside in {"ignore_changes", "replace_triggered_by"} or "${" not in text:
            return
        for reference in references(text):
            if reference.parts[0] in bound:
                continue
            self.found.append(reference)
            if problem := self._problem(reference, inside):
                self.folder.problems.append(f"{name}: {reference}: {problem}")

    def _problem(self, reference: Reference, inside: str) -> str:
        root, *rest = reference.parts
        if root == "var":
            return self._variable(rest)
        if root == "local":
            return "" if rest[0] in self.folder.locals else "no such local"
        family = root if root in {"data", "ephemeral"} else "resource"
        parts = rest if family != "resource" else list(reference.parts)
        if inside == "provider":
            return "" if rest[0] in self._aliases(root) else "no provider has that alias"
        key = (family, parts[0], parts[1])
        if key not in self.folder.declared:
            return f"no such {family}"
        return self._attribute(key, parts[2:])

    def _variable(self, rest: list[str]) -> str:
        if rest[0] not in self.folder.variables:
            return "no such variable"
        keys = _object_keys(self.folder.variables[rest[0]])
        if keys and len(rest) > 1 and rest[1] not in keys:
            return f"the variable's object has no {rest[1]!r}"
        return ""

    def _aliases(self, provider: str) -> set[str]:
        return {
            plain(str(body.get("alias", "")))
            for _, block in self.folder.blocks("provider")
            for label, body in items(block)
            if label == provider
        }

    def _attribute(self, key: tuple[str, str, str], rest: list[str]) -> str:
        body = self.folder.declared[key][1]
        many = "count" in body or "for_each" in body
        if not rest:
            return ""
        if many and rest[0] != INDEX:
            return "there are several of it (count, for_each), and this names no one of them"
        if not many and rest[0] == INDEX:
            return "there is one of it (no count, no for_each), and this picks from several"
        named = [p for p in rest if p != INDEX]
        if not named:
            return ""
        kind = _kind(self.providers, f"{key[0]}.{key[1]}")
        if kind is None or camel(named[0]) in kind[1].kinds[f"{key[0]}.{key[1]}"].readable:
            return ""
        return f"{key[1]} has no attribute {named[0]!r}"


def _kind(providers: dict[str, Provider], name: str) -> tuple[str, Provider] | None:
    short = name.split(".")[1].split("_")[0]
    provider = providers.get({"azurerm": "azurerm", "google": "google"}.get(short, short))
    return (short, provider) if provider and name in provider.kinds else None


def _arguments(
    folder: Folder, providers: dict[str, Provider], file: str, kind: str, label: str, body: Tree
) -> None:
    found = _kind(providers, kind)
    where = f"{file}: {kind.removeprefix('resource.')}.{label}"
    if found is None:
        folder.problems.append(f"{where}: no provider has such a {kind.split('.')[0]}")
        return
    provider = found[1]
    _struct(folder, provider, where, provider.kinds[kind].struct, body, top=True)


def _struct(
    folder: Folder, provider: Provider, where: str, struct: str, body: Tree, *, top: bool = False
) -> None:
    known = provider.structs.get(struct, {})
    given = set()
    for name, value in _written(body):
        if top and name in _META:
            continue
        given.add(name)
        if name not in known:
            folder.problems.append(f"{where}: there is no argument {name!r}")
            continue
        argument = known[name]
        blocks = [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
        is_block = bool(blocks) and all("__is_block__" in b for b in blocks)
        # Attributes that hold objects may be written as blocks too.
        if is_block != argument.block and not (is_block and argument.struct):
            right = f"{name} {{ … }}" if argument.block else f"{name} = …"
            folder.problems.append(f"{where}: {name!r} is written {right}")
        elif is_block and argument.struct in provider.structs:
            for block in blocks:
                _struct(folder, provider, f"{where}.{name}", argument.struct, block)
    for name, argument in known.items():
        if argument.required and name not in given:
            folder.problems.append(f"{where}: {name!r} is required and missing")


def _written(body: Tree) -> Iterator[tuple[str, Any]]:
    """Arguments and blocks of a body; a dynamic block as the block that it writes."""
    for name, value in items(body):
        if name == "dynamic":
            for block in value:
                for label, inner in items(block):
                    yield plain(label), inner["content"]
        else:
            yield name, value


def _providers(folder: Folder, providers: dict[str, Provider]) -> None:
    pinned: dict[str, tuple[str, str]] = {}
    for _, block in folder.blocks("terraform"):
        for required in block.get("required_providers", []):
            for name, body in items(required):
                pinned[name] = (plain(body["source"]), plain(body["version"]))
    used = {type_.split("_")[0] for _, type_, _ in folder.declared}
    for name in sorted(used - set(pinned)):
        folder.problems.append(f"provider {name} is used and not pinned in required_providers")
    for name in sorted(set(pinned) - used):
        folder.problems.append(f"provider {name} is pinned and never used")
    for name, (source, version) in pinned.items():
        if not _EXACT.fullmatch(version):
            folder.problems.append(f"provider {name}: {version!r} is no exact version")
        elif name in providers and (source, version) != (
            providers[name].source,
            providers[name].version,
        ):
            schema = providers[name]
            folder.problems.append(
                f"provider {name} is pinned to {source} {version}; "
                f"the schema checked is of {schema.source} {schema.version}"
            )


def _variables(folder: Folder) -> None:
    for name, body in folder.variables.items():
        for needed in ("type", "description"):
            if needed not in body:
                folder.problems.append(f"var.{name} has no {needed}")
    required = {
        name
        for name, body in folder.variables.items()
        if "default" not in body and "iven at apply" not in body.get("description", "")
    }
    for file, values in folder.values.items():
        given = dict(items(values))
        for name in sorted(set(given) - set(folder.variables)):
            folder.problems.append(f"{file}: {name} is no variable")
        for name in sorted(required - set(given)):
            folder.problems.append(f"{file}: {name} has no default and is not given")
        for name in sorted(set(given) & set(folder.variables)):
            keys = _object_keys(folder.variables[name])
            if (
                keys
                and isinstance(given[name], dict)
                and {k for k, _ in items(given[name])} != keys
            ):
                folder.problems.append(f"{file}: {name} must have {', '.join(sorted(keys))}")


def _object_keys(variable: Tree) -> set[str]:
    type_ = str(variable.get("type", ""))
    if not re.match(r"\$\{\s*object\(", type_):
        return set()
    return set(re.findall(r"(\w+)\s*=", type_))


def _secrets(folder: Folder) -> None:
    """What an ephemeral resource made may only go into write-only arguments."""
    tainted: set[str] = set()

    def secret(r: Reference) -> bool:
        return r.parts[0] == "ephemeral" or (r.parts[0] == "local" and r.parts[1] in tainted)

    while more := {n for n, v in folder.locals.items() if _refers(v, secret)} - tainted:
        tainted |= more

    def look(where: str, name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in items(value):
                look(where, key, inner)
        elif isinstance(value, list):
            for inner in value:
                look(where, name, inner)
        elif not name.endswith("_wo") and _refers(value, secret):
            folder.problems.append(f"{where}: {name!r} would carry a secret into the state")

    for (family, type_, label), (_, body) in folder.declared.items():
        if family != "ephemeral":
            look(f"{type_}.{label}", "", body)
    for output, body in folder.outputs.items():
        look(f"output.{output}", "value", body)


def _refers(value: Any, wanted: Callable[[Reference], bool]) -> bool:
    if isinstance(value, dict):
        return any(_refers(v, wanted) for v in value.values())
    if isinstance(value, list):
        return any(_refers(v, wanted) for v in value)
    return isinstance(value, str) and "${" in value and any(wanted(r) for r in references(value))


_TEMPLATE = re.compile(r'templatefile\("\$\{path\.module\}/([^"]+)",\s*\{(.*?)\}\)', re.S)


def _templates(folder: Folder) -> None:
    for path in sorted(folder.path.glob("*.tf")):
        for name, given in _TEMPLATE.findall(path.read_text()):
            file = folder.path / name
            if not file.is_file():
                folder.problems.append(f"{path.name}: there is no {name}")
                continue
            passed = set(re.findall(r"^\s*(\w+)\s*=", given, re.M))
            wanted = template_names(file.read_text())
            for missing in sorted(wanted - passed):
                folder.problems.append(f"{path.name}: {name} takes {missing!r}, which is not given")
            for extra in sorted(passed - wanted):
                folder.problems.append(f"{path.name}: {name} does not take {extra!r}")
