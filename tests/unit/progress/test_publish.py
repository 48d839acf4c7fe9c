"""What Redis is told of the facts of one transaction."""

from __future__ import annotations

from typing import Any

from netra.progress.message import read_all
from netra.progress.publish import commands
from netra.settings import Progress


def fact(job: str, seq: int, stage: str | None) -> dict[str, Any]:
    said = {"type": "fact", "job_id": job, "epoch": 1, "seq": seq, "kind": "k", "stage": stage}
    return {**said, "tenant_id": "t", "batch_id": "b", "traceparent": None, "outbox": 7}


def test_a_job_gets_one_entry_and_one_message_and_so_does_its_batch() -> None:
    told = commands(
        [fact("j1", 4, "s"), fact("j1", 5, None), fact("j2", 2, "s")],
        Progress(stream_length=9, stream_life_s=60),
    )
    names = [command[:2] for command in told]
    assert names == [
        ("XADD", "netra:t:facts:j1"),
        ("EXPIRE", "netra:t:facts:j1"),
        ("PUBLISH", "netra:t:job:j1"),
        ("XADD", "netra:t:facts:j2"),
        ("PUBLISH", "netra:t:job:j2"),
        ("PUBLISH", "netra:t:batch:b"),
    ]
    assert told[0][2:6] == ("MAXLEN", "~", 9, "*")
    assert told[0][6::2] == ("fact", "fact1")
    assert [m.seq for m in read_all(told[2][2])] == [4, 5]
    assert [(m.job_id, m.seq) for m in read_all(told[5][2])] == [("j1", 4), ("j1", 5), ("j2", 2)]


def test_clients_are_not_sent_what_netra_itself_needs() -> None:
    (message,) = read_all(commands([fact("j", 1, None)], Progress())[-1][2])
    assert b"traceparent" not in message.raw
    assert b"outbox" not in message.raw
