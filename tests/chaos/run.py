"""One run: faults in a seeded order while jobs run, then the stores are asked."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from netra.errors import NetraError
from netra.store import postgres
from tests.chaos.check import Findings, check
from tests.chaos.faults import Fault, Scene
from tests.chaos.load import Load
from tests.chaos.recovery import Recovery
from tests.chaos.stack import Harness
from tests.integration.raw_follower import RawFollower

#: How long the last jobs are waited for, seconds.
_PATIENCE_S = 300.0
_FOLLOWERS = 25


def run(
    made: Harness, faults: Sequence[Fault], *, seed: int, jobs: int, each: int, gap_s: float
) -> dict[str, Any]:
    """Every fault `each` times; the object that `make chaos` ends with."""
    rng = random.Random(seed)
    order = [fault for fault in faults for _ in range(each)]
    rng.shuffle(order)
    load = Load(made, seed, jobs, over_s=len(order) * gap_s * 1.3)
    scene = Scene(made, load, Recovery(made.settings), rng)
    diary = Diary(made)
    followers: list[RawFollower] = []
    load.start()
    _play(scene, order, gap_s, diary, followers)
    diary.say("no more faults")
    load.join(_PATIENCE_S)
    if load.is_alive():
        print("not all jobs could be submitted", flush=True)
        load.stop.set()
        load.join()
    _await_end(diary)
    gaps = [gap for follower in followers if (gap := _gap(follower))]
    found = check(made, load.accepted)
    found.gaps += gaps
    if missing := load.wanted - len(load.accepted):
        found.lost.append(f"{missing} jobs were never accepted")
    _tell(found, scene.recovery, len(followers))
    return {
        "jobs": len(load.accepted),
        "faults": len(order),
        "kinds": dict(sorted(Counter(fault.name for fault in order).items())),
        "lost": len(found.lost),
        "doubled": len(found.doubled),
        "gaps": len(found.gaps),
        "worst_recovery_s": scene.recovery.worst_s,
    }


def _play(
    scene: Scene,
    order: list[Fault],
    gap_s: float,
    diary: Diary,
    followers: list[RawFollower],
) -> None:
    """Begins the faults one after the other; each lasts beside those that share no part with it."""
    left = list(order)
    held: dict[str, threading.Thread] = {}
    under_way: list[threading.Thread] = []
    while left:
        time.sleep(scene.rng.expovariate(1 / gap_s))
        while (fault := _next(left, held)) is None:
            time.sleep(0.2)
        left.remove(fault)
        if scene.load.accepted and len(followers) < _FOLLOWERS:
            followers.append(RawFollower(scene.harness.info, scene.load.accepted[-1]))
        diary.say(f"{len(order) - len(left)}/{len(order)}  {fault.name}")
        own = Scene(scene.harness, scene.load, scene.recovery, random.Random(scene.rng.random()))
        thread = threading.Thread(target=fault.hit, args=(own,), name=fault.name, daemon=True)
        held |= dict.fromkeys(fault.parts, thread)
        under_way.append(thread)
        thread.start()
    for thread in under_way:
        thread.join()


def _next(left: Sequence[Fault], held: dict[str, threading.Thread]) -> Fault | None:
    """The first in the order whose parts are all free."""
    busy = {part for part, thread in held.items() if thread.is_alive()}
    return next((fault for fault in left if not fault.parts & busy), None)


@dataclass
class Diary:
    """The run's lines, with how many jobs are under way and over, if that is known."""

    made: Harness
    began: float = field(default_factory=time.monotonic)

    def say(self, what: str) -> None:
        states = self.ask("SELECT state AS k, count(*) AS n FROM jobs GROUP BY state")
        known = (
            "PostgreSQL does not answer"
            if states is None
            else " ".join(f"{state} {n}" for state, n in sorted(states.items()))
        )
        print(f"{time.monotonic() - self.began:6.1f} s  {what:<48} ({known})", flush=True)

    def ask(self, statement: str) -> dict[str, int] | None:
        """Counts by key; None while PostgreSQL is away."""
        try:
            with postgres.connect(self.made.settings.database, "chaos") as pg:
                pg.execute("SET statement_timeout = 2000")
                rows = pg.execute(statement.encode()).fetchall()
        except (NetraError, psycopg.Error):
            return None
        return {row["k"]: row["n"] for row in rows}


def _await_end(diary: Diary) -> None:
    """Until every job is over and every fact is sent."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        time.sleep(2)
        diary.say("waiting")
        left = diary.ask(
            "SELECT 'jobs' AS k, count(*) AS n FROM jobs WHERE state IN ('queued', 'running')"
            " UNION ALL SELECT 'facts', count(*) FROM outbox"
        )
        if left == {"jobs": 0, "facts": 0}:
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


def _tell(found: Findings, recovery: Recovery, followers: int) -> None:
    for kind, problems in (("lost", found.lost), ("doubled", found.doubled), ("gap", found.gaps)):
        for problem in problems[:20]:
            print(f"{kind}: {problem}")
    print(f"jobs by state: {found.states}; {followers} followers")
    for error, n in found.errors.most_common():
        print(f"{n} dead letters: {error}")
    print(f"after the kill of a child its stage ran again after, s: {recovery.after[False]}")
    print(f"after the kill of a worker its stages ran again after, s: {recovery.after[True]}")
