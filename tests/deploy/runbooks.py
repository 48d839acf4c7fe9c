"""The commands in the runbooks: found, run, or checked against the programs that they call."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import yaml

from netra.cli.main import main
from tests.deploy.tools import tool

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
#: What Helm 3 and Compose 2 take, of what the runbooks use: neither has a package to ask.
_HELM = {
    "upgrade": {
        "--install", "--namespace", "--values", "--set", "--wait", "--wait-for-jobs", "--timeout",
    },
    "rollback": {"--namespace", "--wait", "--timeout"},
    "history": {"--namespace"},
    "get": {"--namespace", "--revision"},
}  # fmt: skip
#: What a pod of Netra's images has: its own programs, and Debian's smallest ones.
_IN_A_POD = {"netra", "python", "env", "timeout"}
#: Made by the pages themselves.
_MADE = {("job", "netra-migrate-back"), ("serviceaccount", "netra-migrate-back")}
_MADE |= {("job", f"netra-backup-{name}-again") for name in ("postgres", "verify")}
_ASSIGNMENT = re.compile(r"^\w+=")
_COMPOSE = {
    "exec": set(), "logs": {"--tail"}, "ps": set(), "restart": set(), "stop": set(),
    "run": {"--rm", "--no-deps", "--entrypoint"}, "up": {"--detach"},
}  # fmt: skip
_COMPOSE_VALUED = {"--tail", "--entrypoint"}
_PLACEHOLDER = re.compile(r"^[A-Z][A-Z_]+$|^…$")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    #: `run`, `check`, or what else stands behind the language.
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


class Wrong(AssertionError):
    """A command that would not work."""


def blocks() -> Iterator[Block]:
    """All blocks of shell commands."""
    for path in PAGES:
        text = path.read_text()
        for found in _FENCE.finditer(text):
            language, _, mark = found[1].partition(" ")
            if language in ("sh", "bash", "shell", "console", ""):
                line = text.count("\n", 0, found.start()) + 1
                yield Block(path.name, line, mark.strip(), found[2])


def commands(block: Block) -> list[list[str]]:
    """The commands of a block, as lists of words; pipes are cut, and `$(…)` is a command too."""
    found: list[list[str]] = []
    lines = block.text.replace("\\\n", " ").splitlines()
    inner = [text for line in lines for text in re.findall(r"\$\((.*?)\)\"", line)]
    for line in [*inner, *lines]:
        words = [w for w in shlex.split(line, comments=True) if not w.startswith(">")]
        if words[:1] == ["export"]:
            words = words[1:]
        while words and _ASSIGNMENT.match(words[0]):
            words = words[1:]
        while "|" in words:
            at = words.index("|")
            found.append(words[:at])
            words = words[at + 1 :]
        if words:
            found.append(words)
    return found


def check(words: list[str]) -> None:
    """Raises Wrong if the program, subcommand, a flag or a name in it is not there."""
    program, *rest = words
    checks = {
        "kubectl": _kubectl, "netra": _netra, "helm": _helm, "docker": _docker,
        "terraform": _terraform,
    }  # fmt: skip
    if program in checks:
        checks[program](rest)
    elif program.startswith("scripts/"):
        path = ROOT / program
        if not path.is_file() or not path.stat().st_mode & 0o100:
            raise Wrong(f"{program} is not there or cannot be run")
        for word in rest:
            if word.startswith("--") and word not in path.read_text():
                raise Wrong(f"{program} has no {word}")
    elif shutil.which(program) is None:
        raise Wrong(f"there is no program {program}")


# -- kubectl: asked itself, names compared with deploy/k8s ----------------------------------------


@cache
def _kubectl_help(*verb: str) -> str:
    done = subprocess.run(
        [tool("kubectl"), *verb, "--help"], capture_output=True, text=True, check=False
    )
    options = subprocess.run([tool("kubectl"), "options"], capture_output=True, text=True)
    if done.returncode or "Usage:" not in done.stdout:
        raise Wrong(f"kubectl has no {' '.join(verb)}")
    return done.stdout + options.stdout


@cache
def objects() -> frozenset[tuple[str, str]]:
    """Kind (small letters) and name of everything in deploy/k8s; Secrets that are referred to.

    And CronJobs of backups, which the chart makes where there is a place for them.
    """
    schedule = tomllib.loads((ROOT / "config" / "backup" / "schedule.toml").read_text())
    found = {("cronjob", f"netra-backup-{entry['name']}") for entry in schedule["backups"]}
    for path in (ROOT / "deploy" / "k8s").glob("*.yaml"):
        text = path.read_text()
        for document in yaml.safe_load_all(text):
            if document and "kind" in document and "name" in document.get("metadata", {}):
                found.add((document["kind"].lower(), document["metadata"]["name"]))
        named = r"(?:secretName:|secretKeyRef:\s+key: \S+\s+name:) (\S+)"
        found |= {("secret", n) for n in re.findall(named, text)}
    return frozenset(found)


def _kubectl(rest: list[str]) -> None:
    words = list(rest)
    if "--" in words:  # what runs inside a pod
        at = words.index("--")
        _in_a_pod(words[at + 1 :])
        words = words[:at]
    if words[:1] == ["-n"]:
        if ("namespace", words[1]) not in objects():
            raise Wrong(f"there is no namespace {words[1]}")
        words = words[2:]
    words = [w for w in words if w != "-"]  # standard input
    made_of_a_file = words[:2] == ["create", "-f"]
    two = words[0] in ("create", "rollout", "set", "top") and not made_of_a_file
    verb = words[:2] if two else words[:1]
    known = _kubectl_help(*verb)
    arguments = words[len(verb) :]
    for word in arguments:
        flag = word.partition("=")[0]
        if word.startswith("-") and not re.search(rf"(^|[\s,]){re.escape(flag)}[\s=,:]", known):
            raise Wrong(f"kubectl {' '.join(verb)} has no {flag}")
    _named(arguments)


def _in_a_pod(words: list[str]) -> None:
    if words[0] not in _IN_A_POD:
        raise Wrong(f"the images have no {words[0]}")
    if words[0] == "env":
        return _in_a_pod([w for w in words[1:] if not _ASSIGNMENT.match(w)])
    if words[0] == "timeout":
        return _in_a_pod(words[2:])
    if words[0] == "netra":
        return _netra(words[1:])
    if words[1] == "-m":
        found = [find_spec(w) for w in words[2:] if "." in w]
        if not found or None in found:
            raise Wrong(f"there is no module of {' '.join(words[2:])}")
    elif words[1] == "-c":
        compile(words[2], "-c", "exec")
    return None


def _terraform(rest: list[str]) -> None:
    folder, verb, *arguments = rest
    outputs = ROOT / folder.removeprefix("-chdir=") / "outputs.tf"
    if verb != "output" or f'output "{arguments[-1]}"' not in outputs.read_text():
        raise Wrong(f"terraform {verb} {arguments[-1]}: not in {outputs}")


def _named(arguments: list[str]) -> None:
    kinds = {kind for kind, _ in objects()} | {"secret"}
    for i, word in enumerate(arguments):
        kind, slash, name = word.partition("/")
        if not slash and word in kinds and i + 1 < len(arguments):
            kind, name = word, arguments[i + 1]
        there = (kind, name) in objects() | _MADE
        if kind in kinds and name and not name.startswith("-") and not there:
            raise Wrong(f"deploy/k8s has no {kind} {name}")
        if word == "-l":
            label, _, value = arguments[i + 1].partition("=")
            _labelled(label, value)
        if word == "-k" and not (ROOT / arguments[i + 1] / "kustomization.yaml").is_file():
            raise Wrong(f"{arguments[i + 1]} has no kustomization.yaml")


def _labelled(label: str, value: str) -> None:
    templates = ROOT / "deploy" / "helm" / "netra" / "templates"
    files = [*(ROOT / "deploy" / "k8s").glob("*.yaml"), *templates.glob("*.yaml")]
    texts = [p.read_text() for p in files]
    if not any(f"{label}: {value}\n" in text for text in texts):
        raise Wrong(f"nothing in deploy/k8s is labelled {label}={value}")


# -- netra: its own commands and options ----------------------------------------------------------


def _netra(rest: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main)
    words = list(rest)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            raise Wrong(f"netra has no {words[0]}")
        command, words = found, words[1:]
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    for word in words:
        if word.startswith("-") and word.partition("=")[0] not in known:
            raise Wrong(f"netra … {command.name} has no {word}")


# -- helm and docker compose ----------------------------------------------------------------------


def _helm(rest: list[str]) -> None:
    verb, *arguments = rest
    _flags("helm", verb, _HELM, arguments)
    for i, word in enumerate(arguments):
        if word.endswith(".yaml") and "/" not in word:
            continue  # made by the page
        if "/" in word and not word.startswith("-") and not (ROOT / word).exists():
            raise Wrong(f"there is no {word}")
        if word == "--namespace" and ("namespace", arguments[i + 1]) not in objects():
            raise Wrong(f"there is no namespace {arguments[i + 1]}")


def _docker(rest: list[str]) -> None:
    words, services = rest[1:], dict[str, dict[str, str]]()
    if rest[0] != "compose" or words[0] != "--file":
        raise Wrong("say docker compose --file FILE")
    while words[0] == "--file":
        if not (ROOT / words[1]).is_file():
            raise Wrong(f"there is no {words[1]}")
        read = yaml.safe_load((ROOT / words[1]).read_text())["services"]
        services = {**read, **services}
        words = words[2:]
    verb, *arguments = words
    while arguments and arguments[0].startswith("-"):
        _flags("docker compose", verb, _COMPOSE, arguments[:1])
        arguments = arguments[2 if arguments[0] in _COMPOSE_VALUED else 1 :]
    _flags("docker compose", verb, _COMPOSE, [])
    named = arguments[:1] if verb in ("exec", "run") else arguments
    for word in named:
        if word not in services:
            raise Wrong(f"no file has a service {word}")
    inside = arguments[1:] if verb in ("exec", "run") else []
    if inside and "/netra-" in services[named[0]]["image"]:
        _in_a_pod(inside)


def _flags(program: str, verb: str, known: dict[str, set[str]], arguments: list[str]) -> None:
    if verb not in known:
        raise Wrong(f"{program} {verb} is not known here")
    for word in arguments:
        if word.startswith("-") and word.partition("=")[0] not in known[verb]:
            raise Wrong(f"{program} {verb} has no {word}, as far as is known here")


# -- text ------------------------------------------------------------------------------------------


def inline_commands() -> Iterator[tuple[str, list[str]]]:
    """`netra …` and `scripts/…` in running text."""
    for path in PAGES:
        plain = _FENCE.sub("", path.read_text())
        for code in re.findall(r"`((?:netra|scripts/)[^`\n]*)`", plain):
            words = [w for w in shlex.split(code) if not _PLACEHOLDER.match(w)]
            if " " in code or code.startswith("scripts/"):
                yield path.name, words


def anchors(page: Path) -> set[str]:
    """What a link into a page may point to, as GitHub and GitLab make it of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
