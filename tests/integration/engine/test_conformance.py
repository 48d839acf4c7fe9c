"""PostgreSQL does what the model does: random walks of both, compared after every step.

`tests/unit/engine/test_queue_model.py` explores the model whole.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from netra.errors import LeaseLost
from netra.ids import new_id
from netra.store.queue import Done
from netra.store.tenant import set_limit
from tests.integration.bench import Bench
from tests.unit.engine.queue_model import Model, Stage, State, broken

NAMES = "abc"


class Twin:
    """One job in PostgreSQL, driven by the names of the model's steps."""

    def __init__(self, bench: Bench, model: Model) -> None:
        self.bench = bench
        self.model = model
        self.sql = bench.queue.connection
        self.job = bench.submit(
            *({"name": NAMES[i], "after": [NAMES[k] for k in b]} for i, b in enumerate(model.after))
        )
        bench.slots(1)
        self.workers = [new_id() for _ in range(model.workers)]

    def do(self, name: str, before: State, after: State) -> None:
        """Takes a step that the model took from `before` to `after`."""
        verb, _, rest = name.partition(" ")
        match verb:
            case "admit":
                self._admit(1, readmit_s=3600)
            case "readmit":
                self._admit(0, readmit_s=0)
            case "take":
                answer = self.bench.queue.take_back(
                    max_lost=self.model.max_lost,
                    max_killed=self.model.max_killed,
                    grace_s=0,
                    limit=1,
                )
                self.bench.keep(answer)
            case "claim":
                i, worker = int(rest[0]), int(rest.split(" by ")[1][0])
                assert self._claim(i, before.stages[i].admission, worker)
            case "refuse" | "complete" | "fail" | "release" | "stopped":
                i, worker = int(rest[0]), int(rest.split(" by ")[1][0])
                held = before.workers[worker]
                assert held is not None
                if verb == "refuse":
                    for write in (self._complete, self._fail, self._release, self._stopped):
                        with pytest.raises(LeaseLost):
                            write(i, held[1])
                else:
                    self._report(verb)(i, held[1])
            case "kill":
                self._kill(before.workers[int(rest.split()[-1])])
            case "expire":
                self._lease(int(rest), "- interval '1 s'")
            case "renew":
                self._lease(int(rest), "+ interval '1 hour'")
            case "stop":
                assert self.bench.stop(self.job) is not None
            case "retry":
                assert self.bench.retry(self.job) is not None
            case "withdraw":
                set_limit(self.sql, "default", 0)
                set_limit(self.sql, "default", None)
            case _:
                raise AssertionError(name)

    def _admit(self, free: int, readmit_s: float) -> None:
        """Gives the pool room for `free` more stages, and admits."""
        self.sql.execute(
            "UPDATE workers SET heartbeat_at = now(), concurrency = %s + (SELECT count(*)"
            " FROM stages WHERE state IN ('admitted', 'running'))",
            [free],
        )
        answer = self.bench.queue.admit(["cpu"], ahead=0, stale_s=3600, readmit_s=readmit_s)["cpu"]
        self.bench.keep(answer)

    def _claim(self, i: int, admission: int, worker: int) -> bool:
        (row,) = self.sql.execute(
            "SELECT netra_claim(%s, %s, %s, 7, 3600) AS r",
            [self._id(i), admission, self.workers[worker]],
        ).fetchall()
        return self.bench.keep(row["r"]) is not None

    def _report(self, verb: str) -> Callable[[int, int], None]:
        return {
            "complete": self._complete,
            "fail": self._fail,
            "release": self._release,
            "stopped": self._stopped,
        }[verb]

    def _complete(self, i: int, token: int) -> None:
        done = Done(stage=self._id(i), fence=token, content={"token": token}, tables=[])
        self.bench.keep(self.bench.queue.finish([done]))

    def _fail(self, i: int, token: int) -> None:
        answer = self.bench.queue.fail(
            self._id(i),
            token,
            {"type": "Broken", "message": ""},
            retry=True,
            max_failures=self.model.max_failures,
            backoff_s=0,
            backoff_max_s=0,
        )
        self.bench.keep(answer)

    def _release(self, i: int, token: int) -> None:
        self.bench.keep(self.bench.queue.release(self._id(i), token, 0, "handed back"))

    def _stopped(self, i: int, token: int) -> None:
        self.bench.keep(self.bench.queue.stopped(self._id(i), token))

    def _kill(self, held: tuple[int, int] | None) -> None:
        """The parent sees that the process is gone."""
        assert held is not None
        self.sql.execute(
            "UPDATE stages SET started_at = now() - interval '5 s' WHERE id = %s",
            [self._id(held[0])],
        )
        (row,) = self.sql.execute(
            "SELECT worker_id FROM stages WHERE id = %s", [self._id(held[0])]
        ).fetchall()
        self.bench.queue.heartbeat(row["worker_id"], [1], 3600)

    def _lease(self, i: int, until: str) -> None:
        self.sql.execute(
            f"UPDATE stages SET lease_until = now() {until} WHERE id = %s".encode(), [self._id(i)]
        )

    def _id(self, i: int) -> UUID:
        (row,) = self.sql.execute(
            "SELECT id FROM stages WHERE job_id = %s AND name = %s", [self.job, NAMES[i]]
        ).fetchall()
        return row["id"]

    def seen(self) -> tuple[Any, ...]:
        """What PostgreSQL holds of the model's state."""
        rows = self.sql.execute(
            "SELECT s.*, s.lease_until > clock_timestamp() AS held, r.content->>'token' AS token,"
            " (SELECT count(*) FROM dead_letters d WHERE d.stage_id = s.id"
            "   AND d.replayed_at IS NULL) AS letters"
            " FROM stages s LEFT JOIN stage_results r ON r.stage_id = s.id"
            " WHERE s.job_id = %s ORDER BY s.position",
            [self.job],
        ).fetchall()
        stages = tuple(
            Stage(
                state=row["state"],
                admission=row["admission"],
                fence=row["fence"],
                lost=row["lost"],
                killed=row["killed"],
                failures=row["failures"],
                lease=row["held"],
                result=int(row["token"]) if row["token"] else None,
                results=int(row["token"] is not None),
                letters=row["letters"],
            )
            for row in rows
        )
        job = self.bench.job(self.job)
        (ends,) = self.sql.execute(
            "SELECT count(*) AS n FROM facts WHERE job_id = %s AND epoch = %s"
            " AND kind IN ('job.succeeded', 'job.failed', 'job.cancelled')",
            [self.job, job["epoch"]],
        ).fetchall()
        stopping = job["stop_reason"] is not None
        return stages, job["state"], job["epoch"], stopping, job["stages_left"], ends["n"]


def of_model(s: State) -> tuple[Any, ...]:
    return s.stages, s.job, s.epoch, s.stopping, s.left, s.ends


#: Steps that change nothing in PostgreSQL: messages, and processes that die unseen.
_OUTSIDE = ("publish", "scheduler", "worker")


def _possible(step: tuple[str, State], before: State) -> bool:
    """PostgreSQL repeats the admission of all that wait at once, and not of some."""
    name, after = step
    if not name.startswith("readmit"):
        return True
    pairs = zip(before.stages, after.stages, strict=True)
    return all(a.admission > b.admission for b, a in pairs if b.state == "admitted")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("after", [((), (0,)), ((), ())], ids=["chain", "pair"])
def test_postgres_follows_the_model(
    bench: Bench, after: tuple[tuple[int, ...], ...], seed: int
) -> None:
    rng = random.Random(seed)
    model = Model(after=after, spare=(2, 2, 2, 2), epochs=4)
    twin = Twin(bench, model)
    state = model.start()
    taken: list[str] = []
    for _ in range(60):
        options = [step for step in model.steps(state) if _possible(step, state)]
        if not options:
            break
        # A person seldom comes in between.
        weights = [0.1 if name == "stop" else 1.0 for name, _ in options]
        name, following = rng.choices(options, weights)[0]
        taken.append(name)
        if not name.startswith(_OUTSIDE):
            twin.do(name, state, following)
            if name.startswith(("admit", "take back")):
                # Which of several is admitted or taken back is the database's choice.
                alike = [s for n, s in options if n == name or n[:4] == name[:4] == "take"]
                same = [s for s in alike if of_model(s) == twin.seen()]
                assert len(same) == 1, taken
                following = same[0]
            assert twin.seen() == of_model(following), taken
        state = following
        assert broken(model, state) is None
    # Every fact has its number, and what was announced is what is recorded.
    bench.kinds(twin.job)
    assert len(taken) > 10
