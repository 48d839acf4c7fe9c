from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netra.cli.main import SECTIONS, main
from netra.errors import NetraError
from netra.settings import current
from tests.unit.cli.conftest import Run
from tests.unit.client.memory_api import MemoryApi, job_json, problem

COMMANDS = [(name, lazy) for part in SECTIONS.values() for name, lazy in part.items()]


@pytest.mark.parametrize(("name", "lazy"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_the_list_says_of_each_command_what_the_command_says(name: str, lazy: object) -> None:
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.name == name
    assert (command.help or "").partition("\n")[0] == lazy.summary  # type: ignore[attr-defined]


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from netra.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx', 'rich', 'numpy', 'msgspec', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Optimize a real workload" in done.stdout


def test_wrong_input_is_2_and_says_what_and_where(run: Run, api: MemoryApi) -> None:
    row = {"where": "goal", "problem": "not understood", "got": "purple", "expected": "cost …"}
    api.fail_next = [problem(422, "invalid-goal", "the goal cannot be read", row)]
    result = run(["job", "submit", "--goal", "purple"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "the goal cannot be read" in result.stderr
    assert "goal: not understood (got 'purple') (expected cost …)" in result.stderr


def test_with_json_an_error_is_one_document_too(run: Run, api: MemoryApi) -> None:
    result = run(["job", "show", "nowhere", "--json"])
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert document["status"] == 404
    assert document["type"] == "https://netra.dev/problems/not-found"
    assert "nowhere" in document["detail"]


@pytest.mark.parametrize(
    ("status", "slug", "code"),
    [
        (400, "invalid-input", 2),
        (404, "not-found", 2),
        (413, "too-large", 2),
        (422, "x", 2),
        (409, "conflict", 1),
        (401, "unauthorized", 2),
        (500, "internal-error", 1),
    ],
)
def test_exit_codes(run: Run, api: MemoryApi, status: int, slug: str, code: int) -> None:
    api.fail_next = [problem(status, slug, "said")]
    assert run(["job", "show", "j"]).exit_code == code


def test_an_unknown_option_is_2(run: Run) -> None:
    assert run(["job", "list", "--stat", "failed"]).exit_code == 2


def test_an_interrupt_is_130_and_leaves_no_traceback(
    run: Run, api: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "_get_jobs", interrupted)
    result = run(["job", "list"])
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted"


def test_without_an_api_it_is_said_how_to_get_one(run: Run, tmp_path: object) -> None:
    result = run(["job", "list"], env={"NETRA_API_URL": None, "NETRA_API_KEY": None})
    assert result.exit_code == 1
    assert f"no stack runs in {tmp_path}/home" in result.stderr
    assert "netra up" in result.stderr


def test_an_api_without_its_key_is_said(run: Run) -> None:
    result = run(["job", "list"], env={"NETRA_API_URL": "http://else.test", "NETRA_API_KEY": None})
    assert result.exit_code == 2
    assert "needs a key" in result.stderr


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"NETRA_API_URL": "api.test"}, "the API's address cannot be used"),
        ({"NETRA_API_URL": "http://api.test:port"}, "url: not a URL"),
        ({"NETRA_API_KEY": "schlüssel"}, "the API key cannot be used"),
        ({"NETRA_API_URL": None, "NETRA_ENV": "holiday"}, "names no environment"),
        ({"NETRA_API_URL": None, "NETRA_CONFIG": "/no/such.toml"}, "/no/such.toml"),
    ],
)
def test_a_wrong_setting_is_2(run: Run, environ: dict[str, str | None], words: str) -> None:
    current.cache_clear()
    result = run(["job", "list"], env=environ)
    current.cache_clear()
    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr


def test_a_file_that_cannot_be_written_is_2(run: Run, tmp_path: Path) -> None:
    result = run(["workload", "generate", str(tmp_path / "no" / "x.csv"), "--events", "10"])
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


def test_no_traceback_reaches_the_user_of_a_netra_error(run: Run, api: MemoryApi) -> None:
    api.fail_next = [NetraError("said")]  # type: ignore[list-item]
    result = run(["job", "show", "j"])
    assert result.stderr.strip() == "error: said"


def test_tables_and_json_show_the_same_jobs(run: Run, api: MemoryApi) -> None:
    api.jobs = {f"j{i}": job_json(f"j{i}", "failed", labels={"team": "search"}) for i in range(120)}
    shown = run(["job", "list", "--limit", "3"]).stdout
    assert shown.count("team=search") == 3
    items = json.loads(run(["job", "list", "--limit", "70", "--json"]).stdout)["items"]
    assert [job["id"] for job in items] == [f"j{i}" for i in range(70)]
