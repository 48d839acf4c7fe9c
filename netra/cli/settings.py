"""`netra settings`: every setting, its value, where that came from, and what it may be."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from typing import Any

import click
import msgspec
from rich.table import Table

from netra import settings as settings_module
from netra import settings_rules
from netra.cli import output
from netra.settings import ALIASES, Settings

#: Endings of names that say in what a value is measured.
_UNITS = {"_s": "seconds", "_mb": "MB", "_bytes": "bytes", "_days": "days", "_rows": "rows"}
_FIELD = re.compile(r"((?:    #: .*\n|    #:\n)+)    (\w+): ")
_HEAD = """\
# Settings

Every setting of Netra's, with its default. This page is what `netra settings --page` prints;
`netra settings` says what counts here and now, and where each value came from. The later goes over
the earlier: these defaults, `config/<environment>.toml` (`NETRA_ENV`), the file that `NETRA_CONFIG`
names, variables. A value that is not allowed, and a variable below `NETRA_` that nothing reads (a
misspelt one, or one of your own), are refused by every process in one line, with exit code 2. Why
the values are what they are: [tuning.md](tuning.md).
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as it is shown."""

    name: str
    #: `(set)` for a secret that is set.
    value: Any
    #: `default`, the name of a variable, or the path of a file.
    source: str
    #: Empty: it is measured in nothing.
    unit: str
    #: The variables that set it, the first as Netra calls it.
    variables: list[str]
    #: What it may be.
    allowed: str
    meaning: str


@click.command("settings")
@click.argument("only", required=False)
@click.option(
    "--page", is_flag=True, help="Print docs/settings.md: the defaults, and what they do."
)
@output.json_option
def settings(only: str | None, page: bool, as_json: bool) -> None:
    """Show every setting: value, source, unit, variable.

    ONLY: those whose name holds it. Of secrets it says whether they are set. Wrong values are
    refused: exit code 2.
    """
    if page:
        click.echo(text_of_page(), nl=False)
        return
    found = [row for row in rows(dict(os.environ)) if not only or only in row.name]
    if not found:
        raise click.UsageError(f"no setting's name holds {only!r}")
    output.emit(found, as_json, _table)


def rows(environ: dict[str, str]) -> Iterator[Row]:
    """The settings that a process with these variables runs with.

    Raises:
        SettingsError: it would not run with them.
    """
    now, given = settings_module.load(environ), settings_module.gathered(environ)
    for at, variables in _variables().items():
        group, key = at
        value = getattr(getattr(now, group), key)
        kind = settings_module.kinds(group)[key]
        form = settings_rules.form_of(kind)
        secret = form is not None and form.secret
        yield Row(
            name=f"{group}.{key}",
            value="(set)" if secret and value else value,
            source=given[at].source if at in given else "default",
            unit=next((unit for end, unit in _UNITS.items() if key.endswith(end)), ""),
            variables=variables,
            allowed=settings_rules.in_words(kind),
            meaning=_meanings(type(getattr(now, group))).get(key, ""),
        )


def text_of_page() -> str:
    """docs/settings.md."""
    lines = [*_HEAD.splitlines()]
    group = ""
    defaults = {row.name: row for row in rows({})}
    plain = Settings()
    for name, row in defaults.items():
        here, _, key = name.partition(".")
        if here != group:
            group = here
            lines += ["", f"## {group}", ""]
            lines += [
                "| variable | default | unit | what it may be | meaning |",
                "|---|---|---|---|---|",
            ]
        default = _written(getattr(getattr(plain, group), key))
        variables = "<br>".join(f"`{variable}`" for variable in row.variables)
        meaning = row.meaning.replace("|", "\\|")
        lines.append(f"| {variables} | {default} | {row.unit} | {row.allowed} | {meaning} |")
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else value
    text = str(text).lower() if isinstance(text, bool) else str(text)
    return f"`{text}`" if text else ""


def _variables() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for variable, at in settings_module.variables().items():
        if variable not in ALIASES:
            found[at] = [variable]
    for variable, at in ALIASES.items():
        found[at].append(variable)
    return found


def _meanings(group: type) -> dict[str, str]:
    """The `#:` lines above each field."""
    found: dict[str, str] = {}
    for said, key in _FIELD.findall(inspect.getsource(group)):
        found[key] = " ".join(line.strip().removeprefix("#:").strip() for line in said.splitlines())
    return found


def _table(found: list[Row]) -> Table:
    shown = output.table("setting", "value", "unit", "source", "variable")
    for row in found:
        value = ", ".join(row.value) if isinstance(row.value, tuple) else str(row.value)
        shown.add_row(row.name, value, row.unit, row.source, row.variables[0])
    return shown
