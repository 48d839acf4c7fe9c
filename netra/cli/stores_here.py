"""The stores of commands that speak to them directly: those of the settings, else of the stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from netra.cli.checks.check import Subject, subject
from netra.cli.connection import NoApi
from netra.embedded import home as homes
from netra.settings import Settings, current
from netra.store import postgres
from netra.store.postgres import Connection

home_option = click.option("--home", type=click.Path(), help="The folder of the stack to use.")


def here(named: str | None) -> Subject:
    """What a command works on; the URLs of the settings count, unless `--home` is said."""
    settings = current()
    found = subject(homes.choose(named, settings.embedded.home), settings)
    if named is None and settings.database.url:
        return Subject(home=found.home, settings=settings, stack=found.stack, running=found.running)
    return found


def reachable(named: str | None) -> Settings:
    """Settings with the stores' URLs.

    Raises:
        NoApi: the settings name no database, and no stack runs.
    """
    settings = here(named).settings
    if not settings.database.url:
        raise NoApi("no database: set DATABASE_URL, or name a running stack's folder with --home")
    return settings


@contextmanager
def database(named: str | None) -> Iterator[Connection]:
    with postgres.connect(reachable(named).database, "admin") as connection:
        yield connection
