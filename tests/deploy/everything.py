"""All deployment tests, on lanes: most of their time they wait for a store or a clock.

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
#: One more than processors are needed for: the first group waits on its lane.
LANES = 3
#: A socket that is silent for ten minutes, in real time: next to no work.
SILENT = (str(HERE / "test_nginx.py"), "-m", "slow")
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


def groups() -> dict[str, tuple[str, ...]]:
    """What pytest is given for each group: every test file of this folder once, by its topics."""
    named = {", ".join(group): [HERE / f"test_{topic}.py" for topic in group] for group in GROUPS}
    left = sorted(
        set(HERE.glob("test_*.py")) - {path for files in named.values() for path in files}
    )
    named[", ".join(path.stem.removeprefix("test_") for path in left)] = left
    return {"a silent socket": SILENT} | {
        names: tuple(map(str, files)) for names, files in named.items()
    }


def run(names: str, given: tuple[str, ...], proofs: Path) -> int:
    """Pytest's exit code for a group; its proofs go into the file `proofs`."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *given],
        env={**os.environ, PROOFS: str(proofs)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    took = time.monotonic() - began
    print(f"== {names}: {took:.0f} s\n{done.stdout}", flush=True)
    return done.returncode


def main() -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="netra-proofs-") as folder:
        every = groups()
        places = [Path(folder) / f"{n:02}" for n in range(len(every))]
        with ThreadPoolExecutor(LANES) as lanes:
            codes = list(lanes.map(run, every.keys(), every.values(), places))
        lines = [
            line for place in places if place.exists() for line in place.read_text().splitlines()
        ]
    print(f"{' proven ':=^80}", *lines, sep="\n")
    failed = [names for names, code in zip(every, codes, strict=True) if code != 0]
    print(f"{len(lines)} proofs in {(time.monotonic() - began) / 60:.1f} min")
    for names in failed:
        print(f"FAILED: {names}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
