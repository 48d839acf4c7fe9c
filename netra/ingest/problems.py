"""Collects what is wrong with a file: the first few places in full, and how many in all."""

from __future__ import annotations

from typing import Any, NoReturn

from netra.errors import InvalidEvents, Problem

#: Problems described one by one; the rest are counted.
SHOWN = 20
#: A file with this many is not read further: it is likely in another format altogether.
GIVE_UP_AFTER = 10_000
#: Longest piece of an offending value that is repeated back.
_SHORT = 80


def shorten(value: Any) -> Any:
    """`value`, cut to what a person can read in a message."""
    if isinstance(value, int | float | None) and -1e300 < (value or 0) < 1e300:
        return value  # else: no JSON number
    text = value.replace("\0", r"\x00") if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"


class Problems:
    """The problems of one file."""

    def __init__(self, source: str, *, lenient: bool = False) -> None:
        self.source = source
        #: Whether a format is to read as unknown what makes no sense and can be done without.
        self.lenient = lenient
        self.shown: list[Problem] = []
        self.total = 0

    def add(self, where: str, problem: str, got: Any = None, expected: Any = None) -> None:
        """Notes one; gives up on the file when there are too many.

        Raises:
            InvalidEvents: this was number `GIVE_UP_AFTER`.
        """
        self.total += 1
        if len(self.shown) < SHOWN:
            found = Problem(where=where, problem=problem, got=shorten(got), expected=expected)
            self.shown.append(found)
        if self.total >= GIVE_UP_AFTER:
            self.fail()

    def fail(self) -> NoReturn:
        """Refuses the file.

        Raises:
            InvalidEvents: always.
        """
        count = "1 problem" if self.total == 1 else f"{self.total:,} problems"
        if self.total >= GIVE_UP_AFTER:
            count = f"{GIVE_UP_AFTER:,} problems or more"
        which = "" if self.total <= len(self.shown) else f" (the first {len(self.shown)} follow)"
        raise InvalidEvents(
            f"{self.source}: {count}{which}; nothing was ingested. Correct the file and send it"
            " again",
            tuple(self.shown),
        )

    def raise_if_any(self) -> None:
        """Refuses the file if anything is wrong with it.

        Raises:
            InvalidEvents: there were problems.
        """
        if self.total:
            self.fail()


def refuse(
    source: str, where: str, problem: str, got: Any = None, expected: Any = None
) -> NoReturn:
    """Refuses a file for one reason that makes reading on pointless.

    Raises:
        InvalidEvents: always.
    """
    problems = Problems(source)
    problems.add(where, problem, got, expected)
    problems.fail()
