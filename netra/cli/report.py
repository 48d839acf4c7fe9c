"""`netra report`: what a job found."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from rich.markdown import Markdown

from netra.cli import output
from netra.cli.connection import with_api
from netra.cli.output import json_option
from netra.client import Netra
from netra.errors import InvalidInput

Format = Literal["html", "markdown", "json"]
_FORMATS: dict[str, Format] = {
    "html": "html",
    "htm": "html",
    "md": "markdown",
    "markdown": "markdown",
    "json": "json",
}


@click.command()
@click.argument("job")
@click.option(
    "--format",
    "named",
    type=click.Choice(["html", "md", "json"]),
    help="By default what --out ends with, else md.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@json_option
@with_api
def report(job: str, named: str | None, out: Path | None, as_json: bool, netra: Netra) -> None:
    """Print or save a job's report."""
    ending = out.suffix.lstrip(".").lower() if out else ""
    format = _FORMATS[named or ("json" if as_json else ending if ending in _FORMATS else "md")]
    text = netra.jobs.report_text(job, format)
    if out is not None:
        try:
            out.write_text(text)
        except OSError as e:
            raise InvalidInput(f"cannot write {out}: {e.strerror}") from e
        if as_json:
            output.print_json({"path": str(out), "format": format})
        else:
            output.stdout().print(f"wrote {out}")
    elif format == "markdown" and output.stdout().is_terminal:
        output.stdout().print(Markdown(text))
    else:
        click.echo(text)
