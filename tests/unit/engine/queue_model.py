"""A model of the stage protocol (docs/queue-protocol.md), small enough to be explored whole.

One job, a few stages, a few workers and schedulers. A step is one transaction, or one thing that
goes wrong between two: an answer or a message that is lost, a process that dies, a lease that
runs out while its worker still computes. Messages are never used up, so each may come twice or
late; one that never comes is one that no step delivers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

ENDED = ("succeeded", "failed", "cancelled", "skipped")


class Stage(NamedTuple):
    state: str
    admission: int = 0
    fence: int = 0
    lost: int = 0
    killed: int = 0
    failures: int = 0
    #: None: no lease; else whether it is good.
    lease: bool | None = None
    #: The token whose result is stored, and how often one was.
    result: int | None = None
    results: int = 0
    #: Dead letters that were not replayed.
    letters: int = 0


class State(NamedTuple):
    stages: tuple[Stage, ...]
    job: str = "queued"
    epoch: int = 1
    stopping: bool = False
    left: int = 0
    #: Facts of the current epoch that ended the job.
    ends: int = 0
    #: What each worker's process believes to hold: (stage, token).
    workers: tuple[tuple[int, int] | None, ...] = (None, None)
    #: What each scheduler has committed and not yet sent: (stage, admission).
    unsent: tuple[tuple[tuple[int, int], ...], ...] = ((), ())
    #: Messages that were sent.
    sent: frozenset[tuple[int, int]] = frozenset()
    #: How often something that nothing else bounds may still happen: hand-backs, admissions that
    #: are repeated or withdrawn, lost answers, deaths of schedulers.
    spare: tuple[int, int, int, int] = (1, 1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is explored. `without` names checks that are left out, to see that they matter."""

    #: For each stage, those that must succeed first.
    after: tuple[tuple[int, ...], ...] = ((), (0,))
    workers: int = 2
    schedulers: int = 2
    max_lost: int = 2
    max_killed: int = 2
    max_failures: int = 2
    epochs: int = 2
    spare: tuple[int, int, int, int] = (1, 1, 1, 1)
    without: frozenset[str] = field(default=frozenset())

    def start(self) -> State:
        stages = tuple(Stage("blocked" if before else "ready") for before in self.after)
        return State(
            stages=stages,
            left=len(stages),
            workers=(None,) * self.workers,
            unsent=((),) * self.schedulers,
            spare=self.spare,
        )

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """Every step that can come next, with its name."""
        yield from self._scheduler(s)
        for worker, held in enumerate(s.workers):
            if held is None:
                yield from self._claim(s, worker)
            else:
                yield from self._report(s, worker, held)
        yield from self._time(s)
        yield from self._person(s)

    # --- the scheduler

    def _scheduler(self, s: State) -> Iterator[tuple[str, State]]:
        for who, unsent in enumerate(s.unsent):
            if unsent:
                told = s._replace(unsent=_put(s.unsent, who, ()))
                yield f"publish {who}", told._replace(sent=s.sent | set(unsent))
                if s.spare[3]:
                    dead = told._replace(spare=_put(s.spare, 3, s.spare[3] - 1))
                    yield f"scheduler {who} dies", dead
                continue
            for i, stage in enumerate(s.stages):
                if stage.state == "ready":
                    new = stage._replace(state="admitted", admission=stage.admission + 1)
                    yield f"admit {who}", self._admitted(s, who, {i: new})
            if "readmit" not in self.without:
                again = [i for i, stage in enumerate(s.stages) if stage.state == "admitted"]
                less = s._replace(spare=_put(s.spare, 1, s.spare[1] - 1))
                if not s.spare[1]:
                    # Early repetition is bounded; that of a message that is lost is not.
                    again, less = [i for i in again if self._unheard_of(s, i)], s
                for n in range(1, len(again) + 1):
                    for some in combinations(again, n):
                        changed = {
                            i: s.stages[i]._replace(admission=s.stages[i].admission + 1)
                            for i in some
                        }
                        yield f"readmit {who}", self._admitted(less, who, changed)
        for i, stage in enumerate(s.stages):
            expired = stage.state == "running" and stage.lease is False
            if expired and "take back" not in self.without:
                yield f"take back {i}", self._take_back(s, i)

    def _unheard_of(self, s: State, i: int) -> bool:
        message = (i, s.stages[i].admission)
        return message not in s.sent and not any(message in unsent for unsent in s.unsent)

    def _admitted(self, s: State, who: int, changed: dict[int, Stage]) -> State:
        stages = tuple(changed.get(i, stage) for i, stage in enumerate(s.stages))
        messages = tuple((i, stage.admission) for i, stage in sorted(changed.items()))
        return s._replace(stages=stages, unsent=_put(s.unsent, who, messages))

    def _take_back(self, s: State, i: int) -> State:
        stage = s.stages[i]._replace(lost=s.stages[i].lost + 1)
        s = _with(s, i, stage)
        if s.stopping:
            return self._end(s, i, "cancelled")
        if stage.killed >= self.max_killed or stage.lost >= self.max_lost:
            return self._end(s, i, "failed")
        return self._requeue(s, i)

    # --- workers

    def _claim(self, s: State, worker: int) -> Iterator[tuple[str, State]]:
        for i, admission in sorted(s.sent):
            stage = s.stages[i]
            if stage.state == "admitted" and stage.admission == admission:
                claimed = self._start(s, i, worker)
                yield f"claim {i} by {worker}", claimed
                if s.spare[2]:
                    # The claim is committed and its answer lost: nobody knows of it.
                    less = _put(s.spare, 2, s.spare[2] - 1)
                    lost = claimed._replace(workers=s.workers, spare=less)
                    yield f"claim {i} by {worker}, unheard", lost

    def _start(self, s: State, i: int, worker: int) -> State:
        stage = s.stages[i]
        stage = stage._replace(state="running", fence=stage.fence + 1, lease=True)
        s = _with(s, i, stage)._replace(job="running")
        return s._replace(workers=_put(s.workers, worker, (i, stage.fence)))

    def _report(self, s: State, worker: int, held: tuple[int, int]) -> Iterator[tuple[str, State]]:
        i, token = held
        idle = s._replace(workers=_put(s.workers, worker, None))
        stage = s.stages[i]
        yield f"worker {worker} dies", idle
        if not self._holds(stage, token):
            yield f"refuse {i} by {worker}", idle
            return
        if stage.lease and stage.fence == token and stage.state == "running":
            killed = stage._replace(killed=stage.killed + 1, lease=False)
            yield f"kill the process of {worker}", _with(idle, i, killed)
        done = self._complete(idle, i, token)
        yield f"complete {i} by {worker}", done
        if s.spare[2]:
            # The worker offers its result again.
            less = _put(s.spare, 2, s.spare[2] - 1)
            yield f"complete {i} by {worker}, unheard", done._replace(workers=s.workers, spare=less)
        yield f"fail {i} by {worker}", self._fail(idle, i)
        if s.spare[0]:
            less = idle._replace(spare=_put(s.spare, 0, s.spare[0] - 1))
            handed = self._end(less, i, "cancelled") if s.stopping else self._requeue(less, i)
            yield f"release {i} by {worker}", handed
        if s.stopping:
            yield f"stopped {i} by {worker}", self._end(idle, i, "cancelled")

    def _holds(self, stage: Stage, token: int) -> bool:
        fence = "fence" in self.without or stage.fence == token
        state = "state" in self.without or stage.state == "running"
        return fence and state

    def _complete(self, s: State, i: int, token: int) -> State:
        stage = s.stages[i]
        stage = stage._replace(
            state="succeeded", lease=None, result=token, results=stage.results + 1
        )
        s = _with(s, i, stage)._replace(left=s.left - 1)
        for j, other in enumerate(s.stages):
            before = all(s.stages[k].state == "succeeded" for k in self.after[j])
            if other.state == "blocked" and before:
                s = _with(s, j, other._replace(state="ready"))
        return self._settle(s)

    def _fail(self, s: State, i: int) -> State:
        stage = s.stages[i]._replace(failures=s.stages[i].failures + 1)
        s = _with(s, i, stage)
        if s.stopping:
            return self._end(s, i, "cancelled")
        if stage.failures < self.max_failures:
            return self._requeue(s, i)
        return self._end(s, i, "failed")

    def _requeue(self, s: State, i: int) -> State:
        return _with(s, i, s.stages[i]._replace(state="ready", lease=None))

    def _end(self, s: State, i: int, state: str) -> State:
        stage = s.stages[i]._replace(state=state, lease=None)
        left = s.left - 1
        if state == "failed":
            stage = stage._replace(letters=stage.letters + 1)
            for j, other in enumerate(s.stages):
                if other.state in ("blocked", "ready", "admitted"):
                    s = _with(s, j, other._replace(state="skipped"))
                    left -= 1
        return self._settle(_with(s, i, stage)._replace(left=left))

    def _settle(self, s: State) -> State:
        if s.job not in ("queued", "running") or (s.left > 0 and "left" not in self.without):
            return s
        states = {stage.state for stage in s.stages}
        if states == {"succeeded"}:
            job = "succeeded"
        elif s.stopping and "failed" not in states:
            job = "cancelled"
        else:
            job = "failed"
        return s._replace(job=job, ends=s.ends + 1)

    # --- time, and people

    def _time(self, s: State) -> Iterator[tuple[str, State]]:
        for i, stage in enumerate(s.stages):
            if stage.lease is True:
                yield f"expire {i}", _with(s, i, stage._replace(lease=False))
            elif stage.lease is False and (i, stage.fence) in s.workers:
                # Its worker was only late. One that was seen to be dead is not vouched for.
                yield f"renew {i}", _with(s, i, stage._replace(lease=True))

    def _person(self, s: State) -> Iterator[tuple[str, State]]:
        if s.job in ("queued", "running") and not s.stopping:
            stages, left = list(s.stages), s.left
            for i, stage in enumerate(stages):
                if stage.state in ("blocked", "ready", "admitted"):
                    stages[i] = stage._replace(state="cancelled")
                    left -= 1
            yield "stop", self._settle(s._replace(stages=tuple(stages), left=left, stopping=True))
        if s.job in ("failed", "cancelled") and s.epoch < self.epochs:
            yield "retry", self._retry(s)
        if s.spare[1] and any(stage.state == "admitted" for stage in s.stages):
            # A tenant's limit is lowered: what has not begun waits again.
            stages = tuple(
                stage._replace(state="ready") if stage.state == "admitted" else stage
                for stage in s.stages
            )
            less = _put(s.spare, 1, s.spare[1] - 1)
            yield "withdraw", s._replace(stages=stages, spare=less)

    def _retry(self, s: State) -> State:
        stages: list[Stage] = []
        for i, stage in enumerate(s.stages):
            if stage.state != "succeeded":
                before = all(s.stages[k].state == "succeeded" for k in self.after[i])
                stage = stage._replace(
                    state="ready" if before else "blocked",
                    lost=0,
                    killed=0,
                    failures=0,
                    lease=None,
                    letters=0,
                    fence=0 if "fence kept" in self.without else stage.fence,
                )
            stages.append(stage)
        left = sum(stage.state != "succeeded" for stage in stages)
        return s._replace(
            stages=tuple(stages), job="queued", epoch=s.epoch + 1, stopping=False, left=left, ends=0
        )


def canonical(model: Model, s: State) -> State:
    """The one state that stands for all that behave as `s` does, to have fewer to visit.

    Workers are alike, and so are schedulers. A message of an older admission makes no step. How
    often an ended stage was lost counts for nothing. Of a token only counts whether it is the
    newest; where a check on tokens is left out, they are kept as they are.
    """
    live = {(i, stage.admission) for i, stage in enumerate(s.stages) if stage.state == "admitted"}
    unsent = [tuple(message for message in some if message in live) for some in s.unsent]
    sent = s.sent & live
    workers = s.workers
    stages = list(s.stages)
    if not model.without:
        workers = tuple(
            held and (held[0], int(s.stages[held[0]].fence == held[1])) for held in workers
        )
        for i, stage in enumerate(stages):
            ended = stage.state in ENDED
            stages[i] = stage._replace(
                admission=1,
                fence=1,
                result=None if stage.result is None else int(stage.result == stage.fence),
                lost=0 if ended else stage.lost,
                killed=0 if ended else stage.killed,
                failures=0 if ended else stage.failures,
            )
        unsent = [tuple((i, 1) for i, _ in some) for some in unsent]
        sent = frozenset((i, 1) for i, _ in sent)
    return s._replace(
        stages=tuple(stages),
        workers=tuple(sorted(workers, key=lambda held: held or (-1, 0))),
        unsent=tuple(sorted(unsent)),
        sent=sent,
    )


def broken(model: Model, s: State) -> str | None:
    """The invariant that `s` breaks, if any; numbered as in docs/queue-protocol.md."""
    over = s.job in ("succeeded", "failed", "cancelled")
    holders = [held for held in s.workers if held and held[1] == s.stages[held[0]].fence]
    for i, stage in enumerate(s.stages):
        if stage.results > 1 or (stage.results == 1) != (stage.state == "succeeded"):
            return "1: a stage has one result if it succeeded, and none else"
        if stage.result is not None and stage.result != stage.fence:
            return "2: the result is of the newest token"
        if (stage.lease is not None) != (stage.state == "running"):
            return "4: there is a lease while a stage runs, and only then"
        before = all(s.stages[k].state == "succeeded" for k in model.after[i])
        if stage.state in ("ready", "admitted", "running", "succeeded") and not before:
            return "5: what is ready has all before it"
        if stage.letters != (stage.state == "failed"):
            return "7: a failed stage has one dead letter, and no other has"
    if s.ends != over:
        return "3: an epoch has one end"
    if s.left != sum(stage.state not in ENDED for stage in s.stages) or over != (s.left == 0):
        return "6: a job ends with its last stage"
    if len(set(holders)) < len(holders):
        return "8: a token is one worker's"
    return None


def _put(values: tuple[Any, ...], i: int, value: Any) -> tuple[Any, ...]:
    return (*values[:i], value, *values[i + 1 :])


def _with(s: State, i: int, stage: Stage) -> State:
    return s._replace(stages=_put(s.stages, i, stage))
