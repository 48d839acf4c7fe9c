"""deploy/terraform scanned by checkov; every exception has its reason, and is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import Proof
from tests.deploy.terraform.format import TERRAFORM
from tests.deploy.tools import tool

_BLOCK = re.compile(r'(?:resource|data) "(\w+)" "(\w+)"')
_SKIP = re.compile(r"\s*#checkov:skip=(\w+):\s*(.*)")

#: file, check, resource
Finding = tuple[str, str, str]


def scan(folder: Path) -> dict[str, Any]:
    command = [tool("checkov"), "-d", str(folder), "--framework", "terraform", "--output", "json"]
    answer = subprocess.run(
        [*command, "--skip-download"],
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout, answer.stderr
    return json.loads(answer.stdout)


@cache
def exceptions() -> dict[Finding, str]:
    """What the files except from the scan, and why."""
    found = {}
    for path in sorted(TERRAFORM.rglob("*.tf")):
        resource = ""
        for line in path.read_text().splitlines():
            if block := _BLOCK.match(line):
                resource = ".".join(block.groups())
            elif skip := _SKIP.match(line):
                found[str(path.relative_to(TERRAFORM)), skip.group(1), resource] = skip.group(2)
    return found


def findings(results: list[dict[str, Any]]) -> set[Finding]:
    """Without the index of one of many: the exception stands at all of them."""
    return {
        (
            r["file_path"].lstrip("/"),
            r["check_id"],
            re.sub(r"\[.*?\]|^data\.", "", r["resource"]),
        )
        for r in results
    }


@pytest.mark.timeout(600)
def test_scan_is_clean_and_every_exception_needed(tmp_path: Path, proof: Proof) -> None:
    result = scan(TERRAFORM)
    assert result["summary"]["parsing_errors"] == 0
    assert findings(result["results"]["failed_checks"]) == set()

    bare = tmp_path / "bare"
    shutil.copytree(TERRAFORM, bare)
    for path in bare.rglob("*.tf"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not _SKIP.match(line)))
    # Without the exceptions exactly these fail: none is there for nothing, and the scan does look.
    assert findings(scan(bare)["results"]["failed_checks"]) == set(exceptions())
    assert [e for e, reason in exceptions().items() if len(reason.split()) < 3] == []

    summary = result["summary"]
    proof(
        f"checkov {summary['checkov_version']}: {summary['passed']} checks of "
        f"{summary['resource_count']} resources passed, 0 failed; {len(exceptions())} exceptions, "
        "each with its reason and each needed (without them exactly those fail)"
    )
