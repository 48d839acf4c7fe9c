"""Notes of deletions that a full disk left empty."""

from __future__ import annotations

from pathlib import Path

from netra.embedded.clickhouse.unwritten import set_aside


def test_only_empty_notes_are_set_aside(tmp_path: Path) -> None:
    table = tmp_path / "data" / "store" / "550" / "550d381a"
    table.mkdir(parents=True)
    for name, content in (
        ("mutation_7.txt", "format version: 1\n"),
        ("mutation_8.txt", ""),
        ("format_version.txt", ""),
    ):
        (table / name).write_text(content)
    aside = tmp_path / "unwritten"
    assert set_aside(tmp_path / "data", aside) == [table / "mutation_8.txt"]
    assert sorted(p.name for p in table.iterdir()) == ["format_version.txt", "mutation_7.txt"]
    assert [p.name for p in aside.iterdir()] == ["550d381a-mutation_8.txt"]
    assert set_aside(tmp_path / "data", aside) == []
