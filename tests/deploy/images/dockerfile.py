"""Reads a Dockerfile into stages of instructions: as much of the format as Netra's uses."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_KNOWN = frozenset(
    ("FROM", "ARG", "RUN", "COPY", "ENV", "USER", "WORKDIR", "EXPOSE", "HEALTHCHECK", "CMD")
)


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """`KEYWORD --flag=value text`, on one line."""

    keyword: str
    flags: Mapping[str, str]
    text: str
    line: int

    @property
    def words(self) -> list[str]:
        """The text as an array in JSON, or as words of a shell."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


@dataclass(frozen=True, kw_only=True)
class Stage:
    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def runs(self) -> list[Instruction]:
        return [i for i in self.instructions if i.keyword == "RUN"]


def read(path: Path) -> dict[str, Stage]:
    """The stages by name, in their order, with `ARG`s before the first one put in.

    Raises:
        ValueError: an instruction that this reader does not know, or a stage without a name.
    """
    stages: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    current: Stage | None = None
    for given in _instructions(path.read_text()):
        if given.keyword == "FROM":
            base, _, name = given.words
            current = stages[name] = Stage(name=name, base=substitute(base, arguments))
        elif current is not None:
            current.instructions.append(given)
        elif given.keyword == "ARG":
            name, _, value = given.text.partition("=")
            arguments[name] = value
        else:
            raise ValueError(f"line {given.line}: {given.keyword} before the first stage")
    return stages


def substitute(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda m: values.get(m[1] or m[2], ""), text)


def _instructions(text: str) -> list[Instruction]:
    found: list[Instruction] = []
    whole, begun = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not (line.strip() or whole):
            continue
        begun = begun if whole else number
        if line.endswith("\\"):
            whole += line[:-1] + " "
            continue
        found.append(_instruction(whole + line, begun))
        whole = ""
    return found


def _instruction(line: str, number: int) -> Instruction:
    keyword, _, rest = line.strip().partition(" ")
    if keyword not in _KNOWN:
        raise ValueError(f"line {number}: {keyword} is not an instruction that is understood here")
    flags: dict[str, str] = {}
    rest = rest.strip()
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        name, _, value = flag[2:].partition("=")
        flags[name] = value
        rest = rest.strip()
    return Instruction(keyword=keyword, flags=flags, text=rest, line=number)
