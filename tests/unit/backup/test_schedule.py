"""The schedule stands in one file; its commands exist, and the page says the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from netra.cli.backup import backup
from netra.settings import CONFIG_DIR, Backup

SCHEDULE = tomllib.loads((CONFIG_DIR / "backup" / "schedule.toml").read_text())
PAGE = (Path(__file__).parents[3] / "docs" / "backup.md").read_text()


def test_the_figures_that_operation_asks_for() -> None:
    crons = {b["name"]: b["cron"] for b in SCHEDULE["backups"]}
    assert crons["postgres-full"] == "0 2 * * *"
    assert crons["postgres-incremental"] == "0 */6 * * *"
    assert crons["clickhouse-full"] == "0 3 * * 0"
    assert crons["clickhouse-incremental"] == "0 */12 * * *"
    assert crons["redis"] == "*/30 * * * *"
    assert Backup().keep_days == 30


@pytest.mark.parametrize(
    "entry", [*SCHEDULE["backups"], SCHEDULE["follow"]], ids=lambda e: e["name"]
)
def test_every_command_can_be_parsed(entry: dict[str, object]) -> None:
    name, *rest = entry["arguments"]  # pyright: ignore[reportGeneralTypeIssues]
    command = backup.commands[name]
    command.make_context(name, list(rest), resilient_parsing=False)


def test_the_page_has_the_same_schedule() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| `([^`]+)` \| `netra backup ([^`]+)` \|", PAGE, re.M)
    said = {name: (cron, arguments) for name, cron, arguments in rows}
    assert said == {b["name"]: (b["cron"], " ".join(b["arguments"])) for b in SCHEDULE["backups"]}
