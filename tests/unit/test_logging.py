from __future__ import annotations

import json
import logging
import subprocess
import sys
from uuid import UUID

import pytest

from netra.logging import JsonFormatter, bind, note


def line(message: str = "hello %s", *args: object, exc_info: bool = False) -> dict[str, object]:
    info = None
    if exc_info:
        try:
            raise ValueError("broken")
        except ValueError as e:
            info = (type(e), e, e.__traceback__)
    record = logging.LogRecord("netra.x", logging.INFO, __file__, 1, message, args, info)
    return json.loads(JsonFormatter("api").format(record))


def test_a_line_is_one_json_object() -> None:
    logged = line("hello %s", "world")
    assert logged["message"] == "hello world"
    assert logged["level"] == "info"
    assert logged["component"] == "api"
    assert str(logged["ts"]).endswith("+00:00")


def test_what_is_bound_is_on_the_line_and_gone_after() -> None:
    with bind(job_id="j"), bind(stage="a"):
        assert (line("x")["job_id"], line("x")["stage"]) == ("j", "a")
    assert "job_id" not in line("x")


def test_what_is_noted_is_on_the_line_until_the_block_ends() -> None:
    with bind(stage="a"):
        with bind(job_id="j"):
            note(tenant_id="t")
            assert (line("x")["job_id"], line("x")["tenant_id"]) == ("j", "t")
        assert "tenant_id" not in line("x")
        assert line("x")["stage"] == "a"


def test_what_a_call_adds_stands_beside_what_is_bound() -> None:
    record = logging.LogRecord("netra.x", logging.INFO, __file__, 1, "x", (), None)
    record.__dict__.update(job_id="j", tenant_id=None, outcome="succeeded")
    with bind(tenant_id="t", trace_id=None):
        logged = json.loads(JsonFormatter("api").format(record))
    assert (logged["job_id"], logged["tenant_id"], logged["outcome"]) == ("j", "t", "succeeded")
    assert "trace_id" not in logged, "what is not known is not there"


def test_a_line_is_written_whatever_is_in_it() -> None:
    assert line("lone \ud800 surrogate")["message"] == "lone \ud800 surrogate"
    with bind(job_id=UUID(int=1), odd={1, 2}):
        logged = line("x")
    assert logged["job_id"] == "00000000-0000-0000-0000-000000000001"
    assert "odd" in logged


@pytest.mark.parametrize("thread", [False, True])
def test_last_words_are_one_line(thread: bool) -> None:
    raising = "raise ValueError('it broke')"
    if thread:
        raising = f"t = threading.Thread(target=exec, args=({raising!r},)); t.start(); t.join()"
    code = (
        "import threading, warnings\n"
        "from netra.logging import configure, say\n"
        "from netra.settings import Logging\n"
        "configure('api', Logging())\n"
        "warnings.warn('careful')\n"
        "say('celery.worker', 'leaving')\n" + raising
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    warned, said, died = (json.loads(each) for each in ran.stdout.splitlines())
    assert "careful" in warned["message"]
    assert (said["logger"], said["message"]) == ("celery.worker", "leaving")
    assert (died["level"], died["message"]) == ("critical", "ValueError: it broke")
    assert "ValueError: it broke" in died["traceback"]
    assert ran.stderr == ""


def test_a_traceback_stays_on_its_line() -> None:
    assert "ValueError: broken" in str(line("oops", exc_info=True)["traceback"])
