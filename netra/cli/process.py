"""`netra api`, `netra worker` and `netra scheduler`: one process each, until it is told to stop."""

from __future__ import annotations

import click


@click.command()
def api() -> None:
    """Run the API."""
    from netra.api import serve

    serve.main()


@click.command()
@click.argument("pool", type=click.Choice(["cpu", "gpu"]))
def worker(pool: str) -> None:
    """Run a worker of a pool."""
    if pool == "gpu":
        from workers import gpu as entry
    else:
        from workers import cpu as entry
    entry.main()


@click.command()
def scheduler() -> None:
    """Run a scheduler."""
    from workers import scheduler as entry

    entry.main()
