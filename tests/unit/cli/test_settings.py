"""`netra settings`, and docs/settings.md, which it prints."""

from __future__ import annotations

import json
from pathlib import Path

from netra.cli import settings as command
from netra.settings import variables
from tests.unit.cli.conftest import Run

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_page_is_what_the_command_prints(run: Run) -> None:
    printed = run(["settings", "--page"]).stdout
    assert printed == command.text_of_page()
    assert printed == PAGE.read_text(), "netra settings --page > docs/settings.md"


def test_every_setting_and_variable_is_on_it_with_its_meaning() -> None:
    rows = list(command.rows({}))
    assert {variable for row in rows for variable in row.variables} == set(variables())
    assert [row.name for row in rows if not row.meaning] == []


def test_it_says_where_each_value_came_from(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[queue]\nlease_s = 20\n")
    given = {
        "NETRA_CONFIG": str(own),
        "DATABASE_URL": "postgresql://me:geheim@host/db",
        "JWT_SECRET_KEY": "geheim",
        "NETRA_QUEUE_POLL_S": "2",
    }
    result = run(["settings", "--json"], env=given)
    assert result.exit_code == 0, result.output
    found = {row["name"]: (row["value"], row["source"]) for row in json.loads(result.stdout)}
    assert found["queue.lease_s"] == (20, str(own))
    assert found["queue.poll_s"] == (2, "NETRA_QUEUE_POLL_S")
    assert found["queue.heartbeat_s"] == (0.8, "default")
    assert found["database.url"] == ("(set)", "DATABASE_URL")
    assert found["redis.url"] == ("", "default")
    shown = run(["settings", "queue"], env=given).stdout
    assert "queue.lease_s" in shown
    assert "database" not in shown
    assert "geheim" not in result.stdout + run(["settings"], env=given).stdout


def test_wrong_settings_and_names_are_refused(run: Run) -> None:
    wrong = run(["settings"], env={"NETRA_METRICS_PORT": "99999"})
    assert (wrong.exit_code, "NETRA_METRICS_PORT='99999'" in wrong.stderr) == (2, True)
    assert run(["settings", "nothing-is-called-so"]).exit_code == 2
