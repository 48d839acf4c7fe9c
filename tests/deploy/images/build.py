"""Carries out the stages of a Dockerfile in Debian roots."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.deploy.images import root as roots
from tests.deploy.images.context import Context
from tests.deploy.images.dockerfile import Instruction, Stage, substitute

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RELEASE = re.compile(r"^debian:([a-z]+)-\d{8}-slim@sha256:[0-9a-f]{64}$")


@dataclass(kw_only=True)
class Image:
    """A root, and how its process is to be run."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    user: str = "0:0"
    folder: str = "/"
    command: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)
    check_flags: Mapping[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)

    def megabytes(self) -> int:
        """Size of what is in the root, as `du` counts it."""
        said = subprocess.run(
            ["du", "-sm", str(self.root)], check=True, capture_output=True, text=True
        )
        return int(said.stdout.split()[0])


class Builder:
    """Builds each stage once, into a folder of its own below `folder`."""

    def __init__(self, stages: Mapping[str, Stage], context: Context, folder: Path) -> None:
        self.stages = stages
        self.context = context
        self.folder = folder
        self.built: dict[str, Image] = {}
        #: `RUN` steps that were carried out, as stage and line.
        self.ran: list[tuple[str, int]] = []

    def image(self, name: str) -> Image:
        if name not in self.built:
            self.built[name] = self._build(self.stages[name])
        return self.built[name]

    def _build(self, stage: Stage) -> Image:
        image = self._begin(stage)
        for step in stage.instructions:
            self._apply(stage, step, image)
        return image

    def _begin(self, stage: Stage) -> Image:
        into = self.folder / stage.name
        if stage.base not in self.stages:
            release = _RELEASE.match(stage.base)
            assert release, f"{stage.base}: not a Debian image pinned by date and digest"
            roots.debian(release[1], into)
            return Image(root=into)
        base = self.image(stage.base)
        subprocess.run(["cp", "--archive", "--reflink=auto", base.root, into], check=True)
        return Image(
            root=into,
            environment=dict(base.environment),
            user=base.user,
            folder=base.folder,
            command=list(base.command),
        )

    def _apply(self, stage: Stage, step: Instruction, image: Image) -> None:
        match step.keyword:
            case "RUN":
                self._run(step, image)
                self.ran.append((stage.name, step.line))
            case "COPY":
                self._copy(step, image)
            case "ENV":
                pairs = (word.partition("=") for word in step.words)
                own = {name: substitute(value, image.environment) for name, _, value in pairs}
                image.environment.update(own)
            case "USER":
                image.user = step.text
            case "WORKDIR":
                image.folder = step.text
                _inside(image.root, step.text).mkdir(parents=True, exist_ok=True)
            case "CMD":
                image.command = step.words
            case "HEALTHCHECK":
                keyword, _, text = step.text.partition(" ")
                assert keyword == "CMD", f"line {step.line}: HEALTHCHECK {keyword}"
                image.check = Instruction(keyword="CMD", flags={}, text=text, line=0).words
                image.check_flags = step.flags
            case "EXPOSE":
                image.ports.append(int(step.text))
            case _:
                raise AssertionError(f"line {step.line}: {step.keyword} cannot be carried out")

    def _run(self, step: Instruction, image: Image) -> None:
        mounts = roots.build_mounts()
        for kind, target in [_mounted(step.flags["mount"])] if "mount" in step.flags else []:
            kept = roots.CACHE / f"{kind}{target.replace('/', '-')}"
            kept.mkdir(parents=True, exist_ok=True)
            mounts[kept] = target
        environment = {**roots.build_environment(), **image.environment, "HOME": "/root"}
        roots.run(
            image.root,
            ["/bin/sh", "-c", step.text],
            environment,
            user=image.user,
            folder=image.folder,
            mounts=mounts,
        )
        roots.take_back(image.root)

    def _copy(self, step: Instruction, image: Image) -> None:
        *sources, target = step.words
        to = str(PurePosixPath(image.folder) / target)
        into = _inside(image.root, to)
        if (source := step.flags.get("from")) is None:
            is_folder = target.endswith("/") or into.is_dir()
            self.context.copy(sources, into, is_folder=is_folder)
            return
        (only,) = sources
        into.parent.mkdir(parents=True, exist_ok=True)
        given = _inside(self.image(source).root, only)
        # A stage that is done does not change, so its files need not be there twice.
        subprocess.run(["cp", "--archive", "--link", given, into], check=True)


def _mounted(text: str) -> tuple[str, str]:
    options = dict(part.split("=", 1) for part in text.split(","))
    return options["type"], options["target"]


def _inside(root: Path, path: str) -> Path:
    return root / path.lstrip("/")
