"""Every command that GitHub's and GitLab's pipelines run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.deploy.tools import ROOT

GITHUB = ROOT / ".github" / "workflows" / "ci.yml"
GITLAB = ROOT / ".gitlab-ci.yml"
_GITLAB_WORDS = frozenset({"stages", "workflow", "default", "variables", "include"})


@dataclass(frozen=True, kw_only=True)
class Command:
    pipeline: str
    job: str
    line: str

    def __str__(self) -> str:
        return f"{self.pipeline}, {self.job}: {self.line}"


def github() -> dict[str, Any]:
    """The workflow; YAML reads its key `on` as true."""
    return yaml.safe_load(GITHUB.read_text())


def gitlab() -> dict[str, Any]:
    return yaml.safe_load(GITLAB.read_text())


def commands() -> Iterator[Command]:
    for job, body in github()["jobs"].items():
        for step in body["steps"]:
            for line in step.get("run", "").splitlines():
                yield Command(pipeline="github", job=job, line=line.strip())
    pipeline = gitlab()
    for job, body in pipeline.items():
        if job in _GITLAB_WORDS:
            continue
        for key in ("before_script", "script"):
            for line in body.get(key, []):
                yield Command(pipeline="gitlab", job=job.lstrip("."), line=line)
