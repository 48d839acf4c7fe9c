from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from netra.client import bulk
from netra.client.journal import Journal
from netra.client.manifest import Manifest, load
from netra.errors import StoreUnavailable
from tests.unit.client.memory_api import MemoryApi, problem


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


def manifest(tmp_path: Path, count: int, *extra: dict[str, object]) -> Manifest:
    path = tmp_path / "sweep.jsonl"
    rows = [{"labels": {"n": str(i)}} for i in range(count)]
    stages = [{"agent": "noop"}]
    path.write_text("".join(json.dumps({"stages": stages, **r}) + "\n" for r in [*rows, *extra]))
    return load(path)


def send(api: MemoryApi, rows: Manifest, folder: Path, **options: object) -> bulk.Outcome:
    with api.blocking() as netra:
        return bulk.send(netra, rows, chunk=3, journal_folder=folder, **options)  # pyright: ignore[reportArgumentType]


def sizes(api: MemoryApi) -> list[int]:
    posts = [r for r in api.requests if r.method == "POST"]
    return [len(json.loads(r.content)["jobs"]) for r in posts]


def test_all_rows_are_sent_in_pieces(api: MemoryApi, tmp_path: Path) -> None:
    seen: list[int] = []
    outcome = send(api, manifest(tmp_path, 7), tmp_path, progress=seen.append)
    assert (outcome.created, outcome.existing, outcome.unsent) == (7, 0, 0)
    assert sizes(api) == [3, 3, 1]
    assert sum(seen) == 7
    assert outcome.batch is not None
    assert outcome.batch.total == len(api.jobs) == 7


def test_an_interrupted_run_goes_on_where_it_was(api: MemoryApi, tmp_path: Path) -> None:
    rows = manifest(tmp_path, 7)
    # The second piece is taken in, but its answer never comes: as when the sender is killed.
    api.fail_next = []
    real = api.handle
    calls = 0

    def dies(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        answer = real(request)
        calls += request.method == "POST"
        if calls == 2:
            raise KeyboardInterrupt
        return answer

    api.handle = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        send(api, rows, tmp_path)
    api.handle = real  # type: ignore[method-assign]
    api.requests.clear()
    outcome = send(api, rows, tmp_path)
    assert sizes(api) == [3, 1], "what was acknowledged is not sent again"
    assert (outcome.created, outcome.existing) == (1, 6)
    assert len(api.jobs) == 7, "no job is doubled"


def test_without_its_journal_a_run_doubles_nothing_either(api: MemoryApi, tmp_path: Path) -> None:
    rows = manifest(tmp_path, 4)
    send(api, rows, tmp_path / "here")
    outcome = send(api, rows, tmp_path / "elsewhere")
    assert (outcome.created, outcome.existing) == (0, 4)
    assert len(api.jobs) == 4


def test_a_server_that_began_anew_gets_everything(api: MemoryApi, tmp_path: Path) -> None:
    rows = manifest(tmp_path, 4)
    send(api, rows, tmp_path)
    outcome = send(MemoryApi(), rows, tmp_path)
    assert (outcome.created, outcome.existing) == (4, 0)


def test_what_the_server_lost_is_sent_again_and_not_said_to_be_there(
    api: MemoryApi, tmp_path: Path
) -> None:
    rows = manifest(tmp_path, 7)
    first = send(api, rows, tmp_path)
    # As after a restore to a moment between the pieces: the batch is there, some jobs are not.
    assert first.batch is not None
    for job in ("job-4", "job-5", "job-7"):
        api.batches["sweep"]["jobs"].remove(job)
        del api.jobs[job]
        api.keys = {key: held for key, held in api.keys.items() if held != job}
    api.requests.clear()
    again = send(api, rows, tmp_path)
    assert (again.created, again.existing, again.unsent) == (3, 4, 0)
    assert sizes(api) == [3], "what is there is not sent"
    assert again.batch is not None
    assert again.batch.total == len(api.jobs) == 7
    api.requests.clear()
    third = send(api, rows, tmp_path)
    assert (third.created, third.existing) == (0, 7)
    assert sizes(api) == []


def test_one_bad_row_keeps_all_back_unless_it_is_to_be_skipped(
    api: MemoryApi, tmp_path: Path
) -> None:
    rows = manifest(tmp_path, 4, {"workload_id": "nowhere"}, {"priority": 99})
    outcome = send(api, rows, tmp_path)
    assert outcome.batch is None
    assert outcome.unsent == 4
    assert {r.where for r in outcome.rejected} == {"line 5", "line 6"}
    assert api.jobs == {}
    skipping = send(api, rows, tmp_path, skip_rejected=True)
    assert (skipping.created, len(skipping.rejected), skipping.unsent) == (4, 2, 0)


def test_what_only_the_server_refuses_is_named_by_line(api: MemoryApi, tmp_path: Path) -> None:
    refused = {"labels": {"refuse": "yes"}}
    rows = manifest(tmp_path, 4, refused)
    outcome = send(api, rows, tmp_path)
    assert (outcome.created, outcome.unsent) == (3, 1)
    (rejected,) = outcome.rejected
    assert (rejected.where, rejected.errors[0].where) == ("line 5", "labels")
    skipping = send(api, rows, tmp_path, skip_rejected=True)
    assert (skipping.created, skipping.existing, skipping.unsent) == (1, 3, 0)


def test_a_failure_of_the_server_is_no_rows_fault(api: MemoryApi, tmp_path: Path) -> None:
    rows = manifest(tmp_path, 2)
    with api.blocking() as netra:
        netra.access.whoami()
        api.fail_next = [httpx.Response(200, json={"tenant_id": "t", "key_name": "k"})]
        api.fail_next += [problem(503, "store-unavailable", "PostgreSQL does not answer")] * 500
        with pytest.raises(StoreUnavailable, match="PostgreSQL"):
            bulk.send(netra, rows, journal_folder=tmp_path)


def test_a_journal_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j" / "x.jsonl")
    journal.add("b", {"k1": "j1", "k2": "j2"})
    with journal.path.open("a") as f:
        f.write('{"batch_id": "b", "ke')
    again = Journal(journal.path)
    assert (again.batch_id, again.done) == ("b", {"k1": "j1", "k2": "j2"})
    again.add("b", {"k3": "j3"})
    assert Journal(journal.path).done == {"k1": "j1", "k2": "j2", "k3": "j3"}


def test_a_line_from_before_ids_were_noted_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"batch_id": "b", "keys": ["k1"]}\n')
    assert (Journal(path).batch_id, Journal(path).done) == (None, {})


def test_a_journal_that_cannot_be_written_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "x.jsonl")
    journal.add("b", {"k": "j"})
    assert journal.done == {"k": "j"}
    assert "send everything again" in caplog.text
