"""The fingerprint of the parts of a loop, without which a stale loop would be taken from disk."""

from __future__ import annotations

from types import ModuleType

from netra.analysis.inlined import fingerprint


def module(source: str) -> ModuleType:
    made = ModuleType("made")
    exec(f"from netra.analysis.inlined import inlined\n{source}", vars(made))
    return made


PART = "STEP = 2\n@inlined\ndef part(x):\n    return x + STEP\n"


def test_it_changes_with_code_and_constants_and_with_nothing_else() -> None:
    first = fingerprint(module(PART))
    assert fingerprint(module(PART)) == first
    assert fingerprint(module(PART.replace("x + STEP", "x - STEP"))) != first
    assert fingerprint(module(PART.replace("STEP = 2", "STEP = 3"))) != first
    assert fingerprint(module(PART.replace("x + STEP", "x + STEP + 1"))) != first
    assert fingerprint(module(PART), module(PART)) != first
