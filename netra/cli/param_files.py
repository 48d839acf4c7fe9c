"""Parameters that a command line names files for: what the files hold becomes the parameter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netra.cli.values import json_file
from netra.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from netra.catalog.agent import AgentSpec


def from_files(spec: AgentSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, with the content of files in place of their paths (see `Params.files`).

    Raises:
        InvalidInput: there is no such file, or it does not hold what the parameter is.
    """
    kinds = spec.params.files()
    return {
        name: _content(spec, name, kinds[name], given_value) if name in kinds else given_value
        for name, given_value in given.items()
    }


def _content(spec: AgentSpec, name: str, kind: str, given: str) -> Any:
    path = Path(given).expanduser()
    if not path.is_file():
        wrong = Problem(where=f"params.{name}", problem="is no file that can be read", got=given)
        raise InvalidInput(f"the parameter {name} names a file", [wrong])
    return json_file(path) if kind == "json" else _events(spec, path)


def _events(spec: AgentSpec, path: Path) -> list[dict[str, Any]]:
    # Imported late: reading needs pyarrow, and `--help` does not.
    from netra.ingest.read import events

    _, _, stream = events(path, spec.columns, lenient=spec.lenient)
    return [row for batch in stream() for row in batch.to_pylist()]
