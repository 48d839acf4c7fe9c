"""The compose files with their variables put in and laid over each other, without an engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.tools import ROOT

FOLDER = ROOT / "compose"
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")


class Unset(Exception):
    """A variable that has to be set is not."""


def interpolated(value: Any, environ: Mapping[str, str]) -> Any:
    """`value` with `${NAME:-default}` and `${NAME:?why}` put in, `$$` a dollar.

    Raises:
        Unset: a variable with `:?`, or without any default, is missing or empty.
    """
    if isinstance(value, dict):
        return {key: interpolated(inner, environ) for key, inner in value.items()}
    if isinstance(value, list):
        return [interpolated(inner, environ) for inner in value]
    if not isinstance(value, str):
        return value

    def put(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        given = environ.get(match[1], "")
        if given or match[2] == ":-":
            return given or match[3]
        raise Unset(f"{match[1]}: {match[3] or 'not set'}")

    return _VARIABLE.sub(put, value)


def laid_over(below: Any, above: Any) -> Any:
    """Mappings are merged, everything else is replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        merged = {key: laid_over(below[key], above[key]) for key in below.keys() & above.keys()}
        return {**below, **above, **merged}
    return above


def load(environ: Mapping[str, str], *names: str) -> dict[str, Any]:
    """The files of `names` (default: compose.yaml), the later over the earlier."""
    whole: dict[str, Any] = {}
    for name in names or ("compose.yaml",):
        whole = laid_over(whole, yaml.safe_load((FOLDER / name).read_text()))
    return interpolated(whole, environ)


def variables(path: Path) -> dict[str, str]:
    """What a `.env` file sets."""
    pairs = (line.partition("=") for line in path.read_text().splitlines() if line)
    return {name: value for name, _, value in pairs}
