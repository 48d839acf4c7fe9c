"""Following decides without doing: each test plays the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from netra.client.follow import (
    Barred,
    Event,
    Following,
    JobReads,
    Lost,
    NotFinished,
    Open,
    Position,
    Receive,
    Way,
    read,
)
from netra.client.problems import Unreachable
from netra.client.request import Request, as_json, get
from netra.client.retry import Pause, Retry, Send
from netra.errors import NotFound
from netra.schemas.job import Job
from netra.schemas.page import Page
from netra.schemas.progress import Fact, Tick
from tests.unit.client.memory_api import EARLY, job_json

KINDS = ("job.queued", "job.started", "stage.started", "stage.succeeded", "job.succeeded")
#: A message of the socket, or what becomes of it.
Message = dict[str, Any] | Lost | Barred | None


def fact(seq: int, epoch: int = 1, kind: str | None = None) -> dict[str, Any]:
    kind = kind or KINDS[seq - 1]
    stage = "a" if kind.startswith("stage") else None
    return {
        "type": "fact",
        "job_id": "j",
        "epoch": epoch,
        "seq": seq,
        "ts": EARLY,
        "kind": kind,
        "stage": stage,
        "payload": {},
    }


PONG = {"type": "pong"}
TICK = {"type": "tick", "job_id": "j", "stage": "a", "fraction": 0.5, "message": "half"}


class Network:
    """Plays what happens to each step; time passes in pauses and silences."""

    def __init__(self, *connections: list[Message] | Lost | Barred, **job: Any) -> None:
        self.connections = deque(connections)
        self.job = job_json("j", **{"state": "running", **job})
        self.pages: deque[list[dict[str, Any]]] = deque()
        self.opened: list[Open] = []
        self.asked: list[httpx.URL] = []
        self.messages: deque[Message] = deque()
        self.clock = 0.0

    def perform(self, step: Any) -> Any:
        if isinstance(step, Pause):
            self.clock += step.seconds
            return None
        if isinstance(step, Send):
            return self._answer(step.request)
        if isinstance(step, Open):
            self.opened.append(step)
            self.messages.clear()
            connection = self.connections.popleft()
            if isinstance(connection, list):
                self.messages.extend(connection)
                return None
            return connection
        assert isinstance(step, Receive)
        message = self.messages.popleft() if self.messages else Lost("the end")
        if message is None:
            self.clock += step.within_s
        return msgspec.json.encode(message) if isinstance(message, dict) else message

    def _answer(self, request: Request[Any]) -> httpx.Response:
        if request.path.endswith("/facts"):
            self.asked.append(httpx.URL("http://api.test", params=dict(request.params)))
            return httpx.Response(200, json={"items": self.pages.popleft()})
        return httpx.Response(200, json=self.job)


def follow(
    network: Network,
    after: Position | None = None,
    told: Callable[[str | None], None] | None = None,
    **options: Any,
) -> list[Event]:
    reads = JobReads(
        job=get("/jobs/j", as_json(Job)),
        facts=lambda at: get("/facts", as_json(Page[Fact]), epoch=at.epoch, after_seq=at.seq),
    )
    retry = Retry(first_s=1, longest_s=1, patience_s=5, told=told)
    following = Following("j", reads, retry, after=after, now=lambda: network.clock, **options)
    events: list[Event] = []
    outcome: Any = None
    steps = following.steps()
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration:
            return events
        if isinstance(step, Fact | Tick):
            events.append(step)
            outcome = None
        else:
            outcome = network.perform(step)


def numbers(events: list[Event]) -> list[tuple[int, int]]:
    return [(e.epoch, e.seq) for e in events if isinstance(e, Fact)]


def test_facts_and_ticks_come_until_the_job_has_ended() -> None:
    network = Network([fact(1), fact(2), fact(3), TICK, None, fact(4), fact(5), fact(1, epoch=2)])
    events = follow(network)
    assert numbers(events) == [(1, n) for n in range(1, 6)]
    assert Tick(job_id="j", stage="a", fraction=0.5, message="half") in events
    assert network.opened == [Open("socket", "j", Position())]


def test_a_lost_connection_goes_on_from_where_it_was_lost() -> None:
    network = Network(
        [fact(1), fact(2), Lost("reset")],
        Lost("refused"),
        [fact(1), fact(2), fact(3), Lost("reset")],
        [fact(4), fact(4), fact(5)],
    )
    assert numbers(follow(network)) == [(1, n) for n in range(1, 6)]
    assert [step.position.seq for step in network.opened] == [0, 2, 2, 3]
    assert {step.way for step in network.opened} == {"socket"}


def test_a_position_is_resumed_into_the_next_epoch() -> None:
    rest = [fact(4), fact(5, kind="job.failed"), fact(1, 2), fact(2, 2, "job.succeeded")]
    network = Network(rest, epoch=2)
    events = follow(network, after=Position(1, 3))
    assert numbers(events) == [(1, 4), (1, 5), (2, 1), (2, 2)]
    assert network.opened[0].position == Position(1, 3)


def test_a_job_whose_last_fact_was_seen_has_nothing_more() -> None:
    network = Network(state="succeeded", epoch=2, seq=9)
    assert follow(network, after=Position(2, 9)) == []
    assert network.opened == []


def test_where_no_socket_goes_through_a_stream_is_taken_and_then_asking() -> None:
    network = Network(Barred("426"), [fact(1), Lost("cut")], Barred("not a stream"))
    network.pages.extend([[fact(1), fact(2)], [], [fact(3), fact(4), fact(5)]])
    assert numbers(follow(network)) == [(1, n) for n in range(1, 6)]
    assert [step.way for step in network.opened] == ["socket", "stream", "stream"]
    assert [dict(url.params) for url in network.asked] == [
        {"epoch": "1", "after_seq": "1"},
        {"epoch": "1", "after_seq": "2"},
        {"epoch": "1", "after_seq": "2"},
    ]


def test_patience_ends_only_when_nothing_is_heard() -> None:
    flaky: list[Any] = [[fact(n), Lost("reset")] for n in range(1, 5)]
    outage: list[Any] = [Lost("refused")] * 3
    network = Network(*[c for one in flaky for c in (*outage, one)], [fact(5)])
    assert len(numbers(follow(network))) == 5
    with pytest.raises(Unreachable, match="refused"):
        follow(Network(*outage, *outage, *outage))


@pytest.mark.parametrize(("way", "confirmation"), [("socket", [PONG]), ("stream", [])])
def test_patience_begins_anew_after_each_quiet_connection(
    way: Way, confirmation: list[Message]
) -> None:
    outage: list[Any] = [Lost("refused")] * 3
    quiet: list[Message] = [*confirmation, None, Lost("reset")]
    network = Network(quiet, *outage, quiet, *outage, quiet, [fact(n) for n in range(1, 6)])
    assert len(numbers(follow(network, ways=[way]))) == 5
    with pytest.raises(Unreachable, match="refused"):
        follow(Network(quiet, *outage * 10), ways=[way])


def test_who_watches_is_told_of_an_outage_and_of_its_end() -> None:
    told: list[str | None] = []
    network = Network(
        [PONG, Lost("reset")], Lost("refused"), [PONG, PONG, *(fact(n) for n in range(1, 6))]
    )
    follow(network, told=told.append)
    # The first answer is that of the request before.
    assert told == [None, None, "reset", "refused", None]


def test_a_socket_on_which_nothing_was_confirmed_is_part_of_the_outage() -> None:
    hung: list[Any] = [[None, Lost("no answer")]] * 30
    with pytest.raises(Unreachable, match="no answer"):
        follow(Network(*hung))


@pytest.mark.parametrize("way", ["socket", "stream"])
@pytest.mark.parametrize("dropped", [[PONG, Lost("reset")], [fact(1), Lost("reset")]])
def test_a_server_that_drops_every_connection_at_once_is_not_tried_for_ever(
    way: Way, dropped: list[Message]
) -> None:
    network = Network(*[dropped] * 20)
    with pytest.raises(Unreachable, match="reset"):
        follow(network, after=Position(1, 1), ways=[way])
    # Pauses are of half a second to one.
    assert 5 <= len(network.opened) <= 11


def test_the_caller_need_not_wait_forever() -> None:
    network = Network([fact(1), None, None, None])
    with pytest.raises(NotFinished, match="within 40 s"):
        follow(network, within_s=40)
    assert network.clock == pytest.approx(40)


def test_a_refusal_by_the_server_is_raised() -> None:
    error = {"type": "error", "slug": "not-found", "detail": "there is no job 'j'", "job_id": "j"}
    with pytest.raises(NotFound, match="no job"):
        follow(Network([error]))


def test_a_store_that_is_away_is_waited_for() -> None:
    error = {"type": "error", "slug": "store-unavailable", "detail": "PostgreSQL is away"}
    network = Network([fact(1), error], [fact(n) for n in range(2, 6)])
    assert numbers(follow(network)) == [(1, n) for n in range(1, 6)]


def test_messages_of_other_uses_and_of_the_future_are_passed_over() -> None:
    assert read(b'{"type": "pong"}') is None
    assert read(b'{"type": "confetti", "colour": "red"}') is None
    assert isinstance(read(msgspec.json.encode({**fact(1), "new_field": 1})), Fact)
