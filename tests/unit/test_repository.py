"""What a fresh clone relies on: the lock, the Makefile and what CI runs."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

from tests.shared_data import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked() -> dict[str, str]:
    """Version by package name."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, re.MULTILINE))


def test_the_lock_has_what_the_project_pins() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"]]
    wanted += PROJECT["build-system"]["requires"]
    versions = locked()
    for requirement in wanted:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?(==)?([^;\s]*)", requirement)
        assert match is not None
        name = re.sub(r"[._-]+", "-", match[1]).lower()
        assert name in versions, f"run `make lock`: {requirement} is not in requirements.lock"
        if match[2]:
            assert versions[name] == match[3], f"run `make lock`: {requirement}"


def test_the_lock_names_no_host_and_no_path_and_has_hashes() -> None:
    assert not re.search(r"https?://|file:|--find-links|--index|(^|\s)/\w", LOCK)
    blocks = re.split(r"\n(?=[a-z0-9])", LOCK)
    unhashed = [b.split()[0] for b in blocks if "==" in b and "--hash=sha256:" not in b]
    assert unhashed == []


def test_make_alone_says_what_there_is() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("install", "demo", "test", "bench", "bench-ingest", "bench-lru", "bench-jobs"):
        assert re.search(rf"^  make {target}\s+\S", done.stdout, re.MULTILINE)


def test_ci_fails_where_the_shared_data_is_absent(tmp_path: Path) -> None:
    environment = {**os.environ, "CI": "true", "NETRA_SHARED_DATA": str(tmp_path)}
    done = subprocess.run(
        [str(ROOT / ".ci" / "run")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "NETRA_SHARED_DATA" in done.stderr


def test_records_of_decisions_are_found_by_their_numbers() -> None:
    titles: dict[str, str] = {}
    for page in sorted((ROOT / "docs" / "adr").glob("*.md")):
        number = page.name[:4]
        assert number not in titles, f"{page.name}: {number} is taken by {titles[number]}"
        assert page.read_text().startswith(f"# {number}: "), f"{page.name}: its title's number"
        titles[number] = page.name
    named = subprocess.run(
        ["git", "grep", "-noE", r"(ADR |adr/)[0-9]{4}(-[a-z0-9-]+\.md)?"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert named
    for line in named:
        match = re.search(r"(\d{4})(-[a-z0-9-]+\.md)?$", line)
        assert match is not None
        assert match[1] in titles, f"{line}: no such record"
        assert not match[2] or match[0] == titles[match[1]], f"{line}: it is {titles[match[1]]}"
