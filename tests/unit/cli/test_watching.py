"""Following through an outage: the API goes away while a job or a batch is watched."""

from __future__ import annotations

import io
import json
from functools import partial

import httpx
import pytest
from rich.console import Console

from netra.cli import output, watching
from netra.client import job
from netra.client.follow import Following
from tests.unit.cli.conftest import Run
from tests.unit.client.memory_api import QUICK, MemoryApi, job_json
from tests.unit.client.test_follow import fact

REFUSED = httpx.ConnectError("[Errno 111] Connection refused")
#: More attempts than fit into the usual patience of the twin's client.
LONG = int(1.2 * QUICK.patience_s / QUICK.first_s)


class Away(MemoryApi):
    """Tells job `j` two facts, is away for a number of requests, and then tells how it ended."""

    def __init__(self, requests: int, end: str = "job.succeeded") -> None:
        super().__init__()
        state = end.removeprefix("job.")
        self.jobs["j"] = job_json("j", "running", seq=2)
        self.ended = job_json("j", state, seq=3)
        self.left = requests
        self.end = end
        self.problem: BaseException = REFUSED

    def _get_jobs(self, request: httpx.Request, *path: str) -> httpx.Response:
        if path[1:] != ("facts",):
            return super()._get_jobs(request, *path)
        if request.url.params["after_seq"] == "0":
            return httpx.Response(200, json={"items": [fact(1), fact(2)]})
        if self.left:
            self.left -= 1
            raise self.problem
        self.jobs["j"] = self.ended
        return httpx.Response(200, json={"items": [fact(3, kind=self.end)]})


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are followed by asking: the twin has no sockets."""
    monkeypatch.setattr(job, "Following", partial(Following, ways=("poll",)))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_PATIENCE_S", 0.05)


def away(api: MemoryApi, monkeypatch: pytest.MonkeyPatch, twin: Away) -> None:
    """Puts `twin` in the place of the API that commands find."""
    monkeypatch.setattr(api, "handle", twin.handle)


@pytest.mark.parametrize(("end", "code"), [("job.succeeded", 0), ("job.failed", 1)])
def test_a_job_is_followed_through_a_restart_which_is_said(
    run: Run, api: MemoryApi, monkeypatch: pytest.MonkeyPatch, end: str, code: int
) -> None:
    away(api, monkeypatch, Away(LONG, end))
    result = run(["job", "follow", "j"])
    assert result.exit_code == code, result.stderr
    assert end in result.stdout
    lost, back = result.stderr.splitlines()
    assert lost.startswith("http://api.test does not answer: [Errno 111]")
    assert lost.endswith("trying again for up to 60 s")
    assert back == "answered again"


def test_beside_a_live_table_it_is_said_on_the_tables_own_console(
    run: Run, api: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    away(api, monkeypatch, Away(3))
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    monkeypatch.setattr(output, "stdout", lambda: console)
    result = run(["job", "follow", "j"])
    assert result.exit_code == 0
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "trying again" in shown
    assert "answered again" in shown
    assert result.stderr == ""


@pytest.mark.usefixtures("impatient")
def test_giving_up_on_a_job_says_that_it_goes_on_and_how_to(
    run: Run, api: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    away(api, monkeypatch, Away(10**6))
    result = run(["job", "follow", "j", "--json"])
    assert result.exit_code == 4
    assert "The job goes on" in result.stderr
    assert result.stderr.splitlines()[-1].endswith("netra job follow j --after 1-2")
    document = json.loads(result.stdout.splitlines()[-1])
    assert document["type"].endswith("/outcome-unknown")


@pytest.mark.usefixtures("impatient")
def test_the_command_that_is_named_goes_on_from_there(
    run: Run, api: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = Away(10**6)
    away(api, monkeypatch, twin)
    command = run(["job", "follow", "j"]).stderr.rpartition(": netra ")[2].split()
    twin.left = 0
    result = run([*command, "--json"])
    assert result.exit_code == 0
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [3]


def test_a_job_that_is_not_there_is_wrong_input_as_ever(run: Run, api: MemoryApi) -> None:
    result = run(["job", "follow", "nowhere"])
    assert result.exit_code == 2
    assert "goes on" not in result.stderr


def test_an_interrupted_follower_is_told_where_to_go_on(
    run: Run, api: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = Away(1)
    twin.problem = KeyboardInterrupt()
    away(api, monkeypatch, twin)
    result = run(["job", "follow", "j"])
    assert result.exit_code == 130
    assert "the job goes on; follow it again: netra job follow j --after 1-2" in result.stderr


@pytest.fixture
def batch(api: MemoryApi) -> str:
    api.jobs["j"] = job_json("j", "succeeded")
    api.batches["b"] = {"id": "batch-b", "name": "b", "jobs": {"j"}}
    return "batch-b"


def fail_later(
    api: MemoryApi, monkeypatch: pytest.MonkeyPatch, failures: list[httpx.Response | Exception]
) -> None:
    """The API answers once, and then fails."""
    handle = api.handle

    def handle_later(request: httpx.Request) -> httpx.Response:
        answer = handle(request)
        if len(api.requests) == 1:
            api.fail_next = failures
        return answer

    monkeypatch.setattr(api, "handle", handle_later)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_batch_is_followed_through_a_restart_which_is_said(
    run: Run, api: MemoryApi, monkeypatch: pytest.MonkeyPatch, batch: str, options: list[str]
) -> None:
    fail_later(api, monkeypatch, [REFUSED] * LONG)
    result = run(["batch", "follow", batch, *options])
    assert result.exit_code == 0, result.stderr
    assert "http://api.test does not answer: [Errno 111]" in result.stderr
    assert "answered again" in result.stderr


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("failure", [REFUSED, httpx.Response(502), httpx.Response(503)])
def test_giving_up_on_a_batch_says_that_it_goes_on_and_how_to(
    run: Run,
    api: MemoryApi,
    monkeypatch: pytest.MonkeyPatch,
    batch: str,
    failure: httpx.Response | Exception,
) -> None:
    if isinstance(failure, httpx.Response):
        failure.request = httpx.Request("GET", "http://api.test")
    fail_later(api, monkeypatch, [failure] * 1000)
    result = run(["batch", "follow", batch])
    assert result.exit_code == 4
    assert "The batch goes on" in result.stderr
    assert result.stderr.splitlines()[-1].endswith(f"netra batch follow {batch}")


@pytest.mark.parametrize("noun", ["job", "batch"])
def test_an_api_that_never_answered_is_not_said_to_hold_anything(
    run: Run, api: MemoryApi, noun: str
) -> None:
    api.fail_next = [REFUSED] * 1000
    result = run([noun, "follow", "j"])
    assert result.exit_code == 1
    assert "goes on" not in result.stderr


def test_other_commands_say_soon_that_nobody_answers(run: Run, api: MemoryApi) -> None:
    api.fail_next = [REFUSED] * 1000
    result = run(["job", "show", "j"])
    assert result.exit_code == 1
    assert "trying again" not in result.stderr
