"""A group whose commands are imported when they are run: `netra --help` imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True)
class Lazy:
    """Where a command is, and what the list of commands says of it."""

    #: `module:attribute`: a command, or a collection of commands that holds it.
    path: str
    #: The first line of its help.
    summary: str

    def load(self, name: str) -> click.Command:
        module, _, attribute = self.path.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, Mapping):
            found = found[name]
        elif not isinstance(found, click.Command):
            found = next(c for c in found if c.name == name)
        assert isinstance(found, click.Command)
        return found


class LazyGroup(click.Group):
    """Commands by section, in the order given."""

    def __init__(self, *, sections: Mapping[str, Mapping[str, Lazy]], **options: object) -> None:
        super().__init__(**options)  # pyright: ignore[reportArgumentType]
        self.sections = sections
        self.lazy = {name: lazy for part in sections.values() for name, lazy in part.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = self.lazy.get(cmd_name)
        return lazy.load(cmd_name) if lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # One width for all sections, so that the summaries stand under each other.
        width = max(len(name) for name in self.lazy)
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(width), lazy.summary) for name, lazy in commands.items()]
                )
