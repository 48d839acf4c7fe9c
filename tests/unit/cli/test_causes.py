from __future__ import annotations

from typing import Any

import pytest

from netra.cli.checks.causes import explained, roots
from netra.cli.checks.check import Check
from netra.cli.doctor import exit_code


def checks(**states: Any) -> list[Check]:
    return [Check(name=n.replace("_", " "), state=s, found="") for n, s in states.items()]


@pytest.mark.parametrize(
    ("wrong", "causes"),
    [
        ({"postgres": "fail", "api": "fail", "scheduler": "fail"}, {"postgres"}),
        ({"gpu": "fail", "worker-gpu": "fail", "workers gpu": "warn"}, {"gpu"}),
        ({"worker-cpu": "fail", "workers cpu": "warn"}, {"worker-cpu"}),
        ({"machine clock": "fail", "valkey clock": "fail"}, {"machine clock"}),
        ({"valkey eviction": "fail", "flower": "fail"}, {"valkey eviction", "flower"}),
        ({"disk clickhouse": "fail", "clickhouse": "fail", "api": "fail"}, {"disk clickhouse"}),
        ({"api": "fail"}, {"api"}),
    ],
)
def test_a_fault_is_named_once(wrong: dict[str, Any], causes: set[str]) -> None:
    found = explained([Check(name=n, state=s, found="") for n, s in wrong.items()])
    assert {check.name for check in roots(found)} == causes
    assert all(check.because in wrong for check in found if check.name not in causes)


def test_what_is_well_explains_nothing() -> None:
    found = explained(checks(postgres="ok", api="fail", clickhouse="skip"))
    assert [check.because for check in found] == ["", "", ""]


def test_the_exit_code_says_how_bad_it_is() -> None:
    assert exit_code(checks(postgres="ok", api="skip")) == 0
    assert exit_code(checks(postgres="ok", disk="warn")) == 3
    assert exit_code(checks(postgres="fail", disk="warn")) == 1
    # A warning that a broken part explains is as bad as the part.
    assert exit_code(explained(checks(gpu="fail", workers_gpu="warn"))) == 1
