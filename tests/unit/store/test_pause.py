from __future__ import annotations

from netra.store.pause import Pause


def test_a_store_that_did_not_answer_is_left_alone_for_a_while() -> None:
    now = 100.0
    pause = Pause(lambda: now)
    assert not pause.on
    pause.begin()
    assert pause.on
    now += 60
    assert not pause.on
