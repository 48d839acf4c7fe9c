"""The real engine on a folder where a full disk left the note of a deletion empty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_RUN = """
import sys
from pathlib import Path
from netra.embedded.clickhouse import engine
if "bare" in sys.argv:
    engine.set_aside = lambda data, aside: []
own = engine.Engine(Path(sys.argv[1]))
for statement in sys.argv[2].split(";"):
    piece = own.run(statement.encode(), engine.Context(database="default", format="TabSeparated"))
    print(piece.content.decode().strip())
own.close()
"""


def run(folder: Path, statements: str, *more: str) -> subprocess.CompletedProcess[str]:
    """One engine lives in one process."""
    command = [sys.executable, "-c", _RUN, str(folder), statements, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=110)


def test_an_empty_note_of_a_deletion_keeps_nothing_from_starting(tmp_path: Path) -> None:
    made = run(
        tmp_path,
        "CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a"
        ";INSERT INTO t SELECT number FROM numbers(10)"
        ";SELECT data_paths[1] FROM system.tables WHERE name = 't'",
    )
    assert made.returncode == 0, made.stderr
    table = tmp_path / "data" / made.stdout.split()[-1]
    (table / "mutation_9.txt").touch()

    refused = run(tmp_path, "SELECT count() FROM t", "bare")
    assert refused.returncode != 0
    assert "format version" in refused.stdout + refused.stderr

    opened = run(tmp_path, "SELECT count() FROM t")
    assert opened.returncode == 0, opened.stderr
    assert opened.stdout.split()[-1] == "10"
