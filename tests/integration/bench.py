"""The queue as tests use it: each call is a transaction of its own on the real database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from netra.engine.claim import Claim
from netra.ids import new_id
from netra.settings import Settings
from netra.store.queue import Done, Following, Queue


def job_body(*stages: dict[str, Any], tenant: str = "default", **job: Any) -> dict[str, Any]:
    """A job as `netra_submit` takes it; of a stage only its `name` is needed."""
    return {
        "id": str(new_id()),
        "tenant_id": tenant,
        "goal": {},
        "params": {},
        "labels": {},
        "priority": 5,
        "stage_count": len(stages),
        "stages": [
            {
                "id": str(new_id()),
                "agent": "noop",
                "pool": "cpu",
                "params": {},
                "after": [],
                "limit_s": 60.0,
                "position": i,
                **stage,
            }
            for i, stage in enumerate(stages)
        ],
        **job,
    }


@dataclass
class Bench:
    """A queue with shortcuts for tests: each call is a transaction of its own."""

    settings: Settings
    queue: Queue
    worker: UUID = field(default_factory=new_id)
    facts: list[dict[str, Any]] = field(default_factory=list)

    def keep(self, answer: dict[str, Any] | None) -> dict[str, Any] | None:
        if answer:
            self.facts.extend(answer["facts"])
        return answer

    def submit(self, *stages: dict[str, Any], tenant: str = "default", **job: Any) -> UUID:
        """Submits one job; of a stage only its `name` is needed."""
        row = self.queue.connection.execute(
            "SELECT netra_submit(%s) AS r", [Jsonb([job_body(*stages, tenant=tenant, **job)])]
        ).fetchone()
        assert row is not None
        self.keep(row["r"])
        return UUID(row["r"]["jobs"][0]["id"])

    def slots(self, n: int, pool: str = "cpu") -> None:
        self.queue.register(
            self.worker if pool == "cpu" else new_id(),
            pool=pool,
            host="test",
            pid=1,
            concurrency=n,
            device="numpy",
        )

    def admit(self, pool: str = "cpu", ahead: float = 0.0) -> list[dict[str, Any]]:
        answer = self.queue.admit([pool], ahead=ahead, stale_s=60, readmit_s=60)[pool]
        self.keep(answer)
        return answer["messages"]

    def claim(self, message: dict[str, Any], lease_s: float = 10, pid: int = 1) -> Claim | None:
        """Claims the stage that a message names, as the release before this one does."""
        stage, admission = UUID(message["stage_id"]), message["admission"]
        answer = self._call("netra_claim", stage, admission, self.worker, pid, lease_s)
        return Claim.from_row(answer["claim"]) if answer else None

    def claims(self, pool: str = "cpu", pid: int = 1, most: int = 1) -> list[Claim]:
        """Claims what is admitted and has its turn."""
        following = Following(pool=pool, worker=self.worker, pid=pid, lease_s=10, most=most)
        answer = self.keep(self.queue.claim(following))
        return [Claim.from_row(row) for row in answer["claims"]]

    def started(self, *, lease_s: float = 10, pid: int = 1) -> Claim:
        """Admits and claims the next stage."""
        (message, *_) = self.admit()
        claim = self.claim(message, lease_s, pid)
        assert claim is not None
        return claim

    def complete(self, claim: Claim, content: Any = None, fan_out: Any = None) -> None:
        done = Done(stage=claim.stage_id, fence=claim.fence, content=content or {}, tables=[])
        self.keep(self.queue.finish([done], fan_out))

    def fail(self, claim: Claim, *, retry: bool = True, max_failures: int = 3) -> None:
        error = {"type": "Broken", "message": "it broke", "traceback": "…"}
        self.keep(
            self.queue.fail(
                claim.stage_id,
                claim.fence,
                error,
                retry=retry,
                max_failures=max_failures,
                backoff_s=0.0,
                backoff_max_s=0.0,
            )
        )

    def expire(self, claim: Claim) -> None:
        """Lets a lease run out."""
        self.queue.connection.execute(
            "UPDATE stages SET lease_until = now() - interval '1 s' WHERE id = %s",
            [claim.stage_id],
        )

    def reap(self, max_lost: int = 5, max_killed: int = 2) -> int:
        answer = self.keep(
            self.queue.take_back(max_lost=max_lost, max_killed=max_killed, grace_s=0)
        )
        assert answer is not None
        return answer["count"]

    def stop(self, job: UUID, reason: str = "cancelled") -> dict[str, Any] | None:
        return self._call("netra_stop", job, reason)

    def retry(self, job: UUID) -> dict[str, Any] | None:
        return self._call("netra_retry", job)

    def _call(self, function: str, *args: Any) -> dict[str, Any] | None:
        marks = ", ".join(["%s"] * len(args))
        row = self.queue.connection.execute(f"SELECT {function}({marks}) AS r", args).fetchone()
        assert row is not None
        return self.keep(row["r"])

    def job(self, job: UUID) -> dict[str, Any]:
        row = self.queue.connection.execute("SELECT * FROM jobs WHERE id = %s", [job]).fetchone()
        assert row is not None
        return row

    def stages(self, job: UUID) -> dict[str, str]:
        rows = self.queue.connection.execute(
            "SELECT name, state FROM stages WHERE job_id = %s ORDER BY position, name", [job]
        )
        return {row["name"]: row["state"] for row in rows}

    def kinds(self, job: UUID) -> list[str]:
        """The job's facts as they stand in the database, with their numbers checked."""
        rows = self.queue.connection.execute(
            "SELECT epoch, seq, kind, stage FROM facts WHERE job_id = %s ORDER BY epoch, seq",
            [job],
        ).fetchall()
        for epoch in {row["epoch"] for row in rows}:
            numbers = [row["seq"] for row in rows if row["epoch"] == epoch]
            assert numbers == list(range(1, len(numbers) + 1))
        said = [(f["epoch"], f["seq"], f["kind"]) for f in self.facts if f["job_id"] == str(job)]
        # Nobody can follow a job before the transaction that submits it has ended.
        assert [(1, 1, "job.queued"), *sorted(said)] == [
            (r["epoch"], r["seq"], r["kind"]) for r in rows
        ]
        return [f"{r['kind']} {r['stage']}" if r["stage"] else r["kind"] for r in rows]
