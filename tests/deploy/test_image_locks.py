"""What the images install: the project's versions, less the engines and tools of a laptop."""

from __future__ import annotations

import tomllib

import pytest

from tests.deploy.conftest import Proof
from tests.deploy.images import locks
from tests.deploy.tools import ROOT

IMAGES = {
    "backend": "backend",
    "worker-cpu": "worker",
    "worker-gpu": "worker",
    "backup": "backup",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _named(requirements: list[str]) -> set[str]:
    """The packages that requirements name, without versions, extras and markers."""
    return {r.split(";")[0].split("==")[0].split(">=")[0].split("[")[0] for r in requirements}


def _only_on_gpus() -> set[str]:
    cpu, gpu = (set(locks.pinned(locks.FOLDER / f"worker-{p}.lock")) for p in ("cpu", "gpu"))
    return gpu - cpu


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_the_versions_that_the_project_was_tested_with(image: str) -> None:
    whole = locks.pinned(locks.WHOLE)
    own = locks.pinned(locks.FOLDER / f"{image}.lock")
    assert own
    strange = {
        name: versions
        for name, versions in own.items()
        if not versions <= whole.get(name, set()) and name not in _only_on_gpus()
    }
    assert not strange, f"make lock; compose/requirements/{image}.lock differs in {strange}"


def test_what_only_the_gpu_image_has_is_of_cuda() -> None:
    asked = _named(PROJECT["optional-dependencies"]["gpu"])
    assert asked <= _only_on_gpus()
    assert all(name.startswith(("cu", "nvidia-")) for name in _only_on_gpus())


@pytest.mark.parametrize(("image", "list_"), IMAGES.items())
def test_an_image_has_all_that_the_product_asks_for_and_no_tools(image: str, list_: str) -> None:
    own = set(locks.pinned(locks.FOLDER / f"{image}.lock"))
    wanted = _named(PROJECT["dependencies"])
    left_out = locks.excluded(list_)
    assert wanted - own == left_out & wanted, f"make lock; {image}.lock"
    assert own.isdisjoint(left_out)
    assert own.isdisjoint(_named(PROJECT["optional-dependencies"]["dev"]))


def test_every_package_of_the_images_has_a_hash(proof: Proof) -> None:
    counts: list[str] = []
    for lock in sorted(locks.FOLDER.glob("*.lock")):
        packages = [line for line in lock.read_text().splitlines() if "==" in line]
        assert len(packages) == sum(len(versions) for versions in locks.pinned(lock).values())
        # A line that goes on is followed by the hashes; a package without one ends on its own.
        bare = [line for line in packages if not line.endswith("\\")]
        assert not bare, f"{lock.name}: without a hash: {bare}"
        counts.append(f"{lock.stem} {len(packages)}")
    proof(f"images: packages with hashes, in the project's versions: {', '.join(counts)}")
