"""The rows of a manifest: lines of JSON, lines of a CSV table, or the product of a grid's lists."""

from __future__ import annotations

import csv
import itertools
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from netra.client.cells import value
from netra.errors import InvalidInput, Problem

#: Columns of a CSV manifest; beside them stand `params.AGENT.NAME` and `labels.NAME`.
COLUMNS = ("workload_id", "goal", "pipeline", "priority", "deadline", "idempotency_key")

#: Jobs of one grid at most: lists multiply faster than they look.
MOST_COMBINATIONS = 1_000_000

#: Yields where a row is, and what makes its job's JSON (or raises InvalidInput).
Rows = Iterator[tuple[str, Callable[[], Any]]]


def _jsonl(path: Path) -> Rows:
    with path.open(encoding="utf-8") as f:
        for number, line in enumerate(f, start=1):
            if line.strip():
                yield f"line {number}", lambda line=line: _json(line)


def _json(line: str) -> Any:
    # Without its end: what is missing is missing in this line, not at the beginning of the next.
    line = line.rstrip("\r\n")
    try:
        return json.loads(line)
    except ValueError as e:
        # The parser counts lines too, and has seen one.
        decoding = isinstance(e, json.JSONDecodeError)
        said = f"{e.msg} at column {e.colno}" if decoding else str(e)
        raise InvalidInput("not JSON", [Problem(where="line", problem=said, got=line[:80])]) from e


def _csv(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as f:
        table = csv.reader(f, strict=True)
        try:
            columns = [name.strip() for name in next(table, [])]
            paths = [_column(name) for name in columns]
            for cells in table:
                if any(cell.strip() for cell in cells):
                    yield f"line {table.line_num}", lambda cells=cells: _cells(paths, cells)
        except csv.Error as e:
            raise InvalidInput(f"{path}, line {table.line_num}: {e}") from e


def _column(name: str) -> tuple[str, ...]:
    """Where in the job a column's cells go."""
    parts = tuple(name.split("."))
    if name in COLUMNS:
        return parts
    if parts[0] == "params" and len(parts) == 3 and all(parts):
        return parts
    if parts[0] == "labels" and len(parts) > 1 and all(parts):
        return ("labels", name.partition(".")[2])
    expected = f"{', '.join(COLUMNS)}, params.AGENT.NAME, labels.NAME"
    raise InvalidInput(
        f"the manifest has a column {name!r}, which is no part of a job",
        [Problem(where="line 1", problem="unknown column", got=name, expected=expected)],
    )


def _cells(paths: list[tuple[str, ...]], cells: list[str]) -> dict[str, Any]:
    if len(cells) > len(paths):
        raise InvalidInput(f"the row has {len(cells)} cells, but the header {len(paths)} columns")
    job: dict[str, Any] = {}
    for path, cell in zip(paths, cells, strict=False):
        # An empty cell says nothing.
        if text := cell.strip():
            typed = value(text) if path[0] in ("params", "priority") else text
            _put(job, path, typed)
    return job


def _grid(path: Path) -> Rows:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as e:
        raise InvalidInput(f"{path}: {e}") from e
    if unknown := set(content) - {"job", "grid"}:
        problems = [
            Problem(where=name, problem="unknown table", expected="[job] and [grid]")
            for name in sorted(unknown)
        ]
        raise InvalidInput(f"{path} holds something beside [job] and [grid]", problems)
    if not content:
        return
    axes = list(_axes(content.get("grid", {})))
    _check_size(path, axes)
    for number, choice in enumerate(itertools.product(*(values for _, values in axes)), start=1):
        job = deepcopy(content.get("job", {}))
        for (place, _), chosen in zip(axes, choice, strict=True):
            text = place[0] == "labels" and isinstance(chosen, int | float)
            _put(job, place, str(chosen) if text else chosen)
        yield f"combination {number}", lambda job=job: job


def _check_size(path: Path, axes: list[tuple[Any, list[Any]]]) -> None:
    """Raises InvalidInput for a product that nobody can have meant: it would take all memory."""
    size = math.prod(len(values) for _, values in axes)
    if size <= MOST_COMBINATIONS:
        return
    problems = [
        Problem(where=".".join(("grid", *place)), problem=f"a list of {len(values):,} values")
        for place, values in axes
        if len(values) > 1
    ]
    raise InvalidInput(
        f"{path} is a grid of {size:,} combinations; at most {MOST_COMBINATIONS:,} are taken:"
        " shorten its lists, or split it into several manifests",
        problems,
    )


def _axes(grid: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, list[Any]]]:
    """Each list of the grid, and where in the job its values go."""
    for name, inner in grid.items():
        place = (*above, name)
        if isinstance(inner, Mapping):
            yield from _axes(inner, place)
        elif isinstance(inner, list) and inner:
            yield place, inner
        else:
            where = ".".join(("grid", *place))
            problem = Problem(where=where, problem="not a list of values", got=inner)
            raise InvalidInput("an axis of the grid is a list with a value or more", [problem])


def _put(job: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for name in place[:-1]:
        job = job.setdefault(name, {})
    job[place[-1]] = value


READERS: dict[str, Callable[[Path], Rows]] = {".jsonl": _jsonl, ".csv": _csv, ".toml": _grid}
