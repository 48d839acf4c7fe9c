"""What the migrations share: SQL that stands in files beside them."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

VERSIONS = Path(__file__).parent / "postgres" / "versions"


def run(script: str) -> None:
    """Executes SQL as it is; a percent sign is no parameter."""
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))


def run_file(name: str) -> None:
    """Executes a file of `versions`."""
    run((VERSIONS / name).read_text())


def restore(function: str, name: str, *, last: bool = False) -> None:
    """Gives a function of the queue the text back that it has in a file of `versions`.

    Of several with other arguments it is the first, or the last.
    """
    pattern = rf"CREATE (?:OR REPLACE )?(FUNCTION {function}\(.*?\nEND \$\$;)"
    found = re.findall(pattern, (VERSIONS / name).read_text(), re.DOTALL)
    assert found, f"{name} has no {function}"
    run(f"CREATE OR REPLACE {found[-1 if last else 0]}")
