"""The stage protocol, explored whole for small sizes: nothing breaks, and every check is needed.

`tests/integration/engine/test_conformance.py` shows that PostgreSQL does what the model does.
"""

from __future__ import annotations

import pytest

from tests.unit.engine.explore import explore
from tests.unit.engine.queue_model import Model

ONE = Model(after=((),))
CHAIN = Model(after=((), (0,)))
#: Two stages side by side; fewer things may go wrong, to keep it small.
PAIR = Model(after=((), ()), schedulers=1, epochs=1, spare=(0, 1, 1, 0))


@pytest.mark.parametrize(
    ("model", "at_least"), [(ONE, 4_000), (CHAIN, 12_000), (PAIR, 10_000)], ids=["1", "2", "1+1"]
)
def test_whatever_the_order_no_invariant_breaks_and_every_job_can_end(
    model: Model, at_least: int
) -> None:
    found = explore(model)
    assert found.violation is None, found.path
    assert found.stuck == ()
    # The exploration would say nothing if it did not get anywhere.
    assert found.states > at_least


@pytest.mark.parametrize(
    ("left_out", "invariant"),
    [("fence", 2), ("state", 1), ("fence kept", 8), ("left", 6)],
)
def test_without_a_check_an_invariant_breaks(left_out: str, invariant: int) -> None:
    model = Model(after=((), (0,)), schedulers=1, without=frozenset({left_out}))
    found = explore(model)
    assert found.violation is not None
    assert found.violation.startswith(f"{invariant}:")
    assert found.path


@pytest.mark.parametrize("left_out", ["readmit", "take back"])
def test_without_a_repair_a_job_may_never_end(left_out: str) -> None:
    found = explore(Model(after=((),), schedulers=1, without=frozenset({left_out})))
    assert found.violation is None
    assert found.stuck
