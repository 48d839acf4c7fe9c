"""All deployment tests, on two lanes: most of their time they wait for a store or a clock.

`python -m tests.deploy.everything`. Each group of files is a pytest of its own, whose words are
printed whole when it has ended; the proofs of all come last. Exit code 1: something failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.deploy.conftest import PROOFS

HERE = Path(__file__).parent
LANES = 2
#: Topics that share what is slow to make, the longest first so that the lanes end together.
#: Files that stand in no group are the last.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("images", "image_locks"),
    ("grafana", "logs", "prometheus", "traces", "observability_page"),
    ("backup",),
    ("doctor", "health"),
    ("rollout",),
    ("backup_s3", "disaster_drill"),
    ("migrations",),
    ("terraform", "terraform_scan"),
    ("chart", "chart_figures", "chart_scaling", "chart_stores"),
    ("network_namespaces", "network_policies", "nginx"),
)


def groups() -> list[list[Path]]:
    """Every test file of this folder, each once."""
    named = [[HERE / f"test_{topic}.py" for topic in group] for group in GROUPS]
    known = {path for group in named for path in group}
    return [*named, sorted(set(HERE.glob("test_*.py")) - known)]


def run(files: list[Path], proofs: Path) -> tuple[str, int]:
    """Topics of these files and pytest's exit code; their proofs go into the file `proofs`."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, files)],
        env={**os.environ, PROOFS: str(proofs)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    names = ", ".join(path.stem.removeprefix("test_") for path in files)
    took = time.monotonic() - began
    print(f"== {names}: {took:.0f} s\n{done.stdout}", flush=True)
    return names, done.returncode


def main() -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="netra-proofs-") as folder:
        every = groups()
        places = [Path(folder) / f"{n:02}" for n in range(len(every))]
        with ThreadPoolExecutor(LANES) as lanes:
            ended = list(lanes.map(run, every, places))
        lines = [
            line for place in places if place.exists() for line in place.read_text().splitlines()
        ]
    print(f"{' proven ':=^80}", *lines, sep="\n")
    failed = [names for names, code in ended if code != 0]
    print(f"{len(lines)} proofs in {(time.monotonic() - began) / 60:.1f} min")
    for names in failed:
        print(f"FAILED: {names}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
