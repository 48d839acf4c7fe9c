from __future__ import annotations

import json
import logging

from netra.logging import JsonFormatter, bind


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


def test_a_traceback_stays_on_its_line() -> None:
    assert "ValueError: broken" in str(line("oops", exc_info=True)["traceback"])
