"""Fluentd's configuration, read as Fluentd reads it: directives with parameters and sections."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Section:
    name: str
    argument: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)

    def all(self, name: str) -> list[Section]:
        return [s for s in self.sections if s.name == name]

    def one(self, name: str) -> Section:
        (found,) = self.all(name)
        return found


def read(path: Path) -> Section:
    """The whole file as one section.

    Raises:
        AssertionError: a section is not closed, or closed by another's end.
    """
    open_sections = [Section("root")]
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if closing := re.fullmatch(r"</(\w+)>", line):
            closed = open_sections.pop()
            assert closed.name == closing[1], f"{path.name}:{number}: closes {closed.name}"
            open_sections[-1].sections.append(closed)
        elif opening := re.fullmatch(r"<(\w+)(?:\s+(\S+))?>", line):
            open_sections.append(Section(opening[1], opening[2] or ""))
        else:
            name, _, value = line.partition(" ")
            assert name not in open_sections[-1].parameters, f"{path.name}:{number}: twice {name}"
            open_sections[-1].parameters[name] = value.strip()
    assert len(open_sections) == 1, f"{path.name}: <{open_sections[-1].name}> is not closed"
    return open_sections[0]


def expression(section: Section) -> re.Pattern[str]:
    """A `regexp` parser's pattern; Ruby writes named groups a little differently."""
    body = section.parameters["expression"]
    assert (body[0], body[-1]) == ("/", "/")
    return re.compile(body[1:-1].replace("(?<", "(?P<"))


def strptime(format: str) -> str:
    """A format of Ruby's `Time.strptime` in Python's words."""
    return format.replace("%L", "%f").replace("%N", "%f").replace("%:z", "%z")
