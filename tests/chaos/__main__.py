"""Faults in a seeded order while jobs run; at the end the stores are asked whether all is well.

    python -m tests.chaos [--seed N] [--jobs N] [--each N] [--gap SECONDS] [--only KIND …]

The last line is one JSON object; the exit code is 0 if nothing was lost, doubled or missing.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter

import psycopg

from netra.errors import NetraError
from netra.store import postgres
from tests.chaos.check import check
from tests.chaos.faults import KINDS, schedule
from tests.chaos.load import Load
from tests.chaos.recovery import Recovery
from tests.chaos.stack import Harness, harness
from tests.integration.raw_follower import RawFollower

#: How long the last jobs are waited for, seconds.
_PATIENCE_S = 300.0
_FOLLOWERS = 25


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--each", type=int, default=4, help="faults of every kind")
    parser.add_argument("--gap", type=float, default=6.0, help="mean seconds between faults")
    parser.add_argument("--only", nargs="*", help="kinds of faults (default: all)")
    given = parser.parse_args()
    with harness() as made:
        answer = run(made, given.seed, given.jobs, given.each, given.gap, given.only)
    print(json.dumps(answer))
    sys.exit(0 if not (answer["lost"] or answer["doubled"] or answer["gaps"]) else 1)


def run(
    made: Harness, seed: int, jobs: int, each: int, gap_s: float, only: list[str] | None = None
) -> dict[str, object]:
    rng = random.Random(seed)
    possible = set(only or KINDS)
    if made.disk is None:
        possible.discard("ClickHouse's disk full for 10 s")
        print("no disk of its own for ClickHouse: it is not filled", flush=True)
    order = schedule(rng, each, possible)
    load = Load(made, seed, jobs, over_s=len(order) * (gap_s + 4))
    recovery = Recovery(made.settings)
    load.start()
    began = time.monotonic()
    followers: list[RawFollower] = []
    for i, kind in enumerate(order):
        time.sleep(rng.expovariate(1 / gap_s))
        if load.accepted and len(followers) < _FOLLOWERS:
            followers.append(RawFollower(made.info, load.accepted[-1]))
        _say(made, began, f"{i + 1}/{len(order)}  {kind}")
        _hit(made, rng, kind, recovery)
    _say(made, began, "no more faults")
    load.join(_PATIENCE_S)
    if load.is_alive():
        print("not all jobs could be submitted", flush=True)
        load.stop.set()
        load.join()
    _wait(made, began)
    gaps = [gap for follower in followers if (gap := _gap(follower))]
    found = check(made, load.accepted)
    for kind, problems in (("lost", found.lost), ("doubled", found.doubled), ("gap", found.gaps)):
        for problem in problems[:20]:
            print(f"{kind}: {problem}")
    for gap in gaps:
        print(f"gap: {gap}")
    print(f"jobs by state: {found.states}; {len(followers)} followers")
    for error, n in found.errors.most_common():
        print(f"{n} dead letters: {error}")
    return {
        "jobs": len(load.accepted),
        "faults": len(order),
        "kinds": dict(sorted(Counter(order).items())),
        "lost": len(found.lost) + (jobs - len(load.accepted)),
        "doubled": len(found.doubled),
        "gaps": len(found.gaps) + len(gaps),
        "worst_recovery_s": recovery.worst(),
    }


def _hit(made: Harness, rng: random.Random, kind: str, recovery: Recovery) -> None:
    if kind.startswith("kill") and "worker" in kind:
        recovery.note(lambda: _pids(made, kind), lambda: KINDS[kind](made, rng))
    else:
        KINDS[kind](made, rng)


def _pids(made: Harness, kind: str) -> list[int]:
    return [p.pid for p in made.children("worker-gpu" if "gpu" in kind else "worker-cpu")]


def _say(made: Harness, began: float, what: str) -> None:
    """A line of the run's diary, with how many jobs are under way and over, if that is known."""
    try:
        with postgres.connect(made.settings.database, "chaos") as pg:
            pg.execute("SET statement_timeout = 2000")
            rows = pg.execute("SELECT state, count(*) AS n FROM jobs GROUP BY state").fetchall()
        states = " ".join(f"{row['state']} {row['n']}" for row in rows)
    except (NetraError, psycopg.Error):
        states = "PostgreSQL does not answer"
    print(f"{time.monotonic() - began:6.1f} s  {what:<40} ({states})", flush=True)


def _wait(made: Harness, began: float) -> None:
    """Until every job is over and every fact is sent."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        time.sleep(2)
        _say(made, began, "waiting")
        try:
            with postgres.connect(made.settings.database, "chaos") as pg:
                row = pg.execute(
                    "SELECT (SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')) AS j,"
                    " (SELECT count(*) FROM facts WHERE NOT published) AS f"
                ).fetchone()
        except (NetraError, psycopg.Error):
            continue
        if row == {"j": 0, "f": 0}:
            return


def _gap(follower: RawFollower) -> str | None:
    """What a follower missed or got twice; each fact comes once and in order."""
    try:
        facts = follower.wait(30)
    except AssertionError as e:
        return str(e)
    if follower.seqs != list(range(1, len(facts) + 1)):
        return f"follower of {follower.job_id}: {follower.seqs}"
    return None


if __name__ == "__main__":
    main()
