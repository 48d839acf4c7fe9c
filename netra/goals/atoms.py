"""What a goal is made of, once its words are known: metrics, quantities, bounds, subjects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple


class Kind(Enum):
    """The kinds of meaning that the grammar works with."""

    METRIC = "metric"  # value: a family: cost, latency, ttft, quality, usage, error_rate
    STAT = "stat"  # value: p50, p95, p99, mean
    LIMITS = "limits"  # rate limits
    DOWN = "down"  # value: verb or adjective
    UP = "up"  # or growth
    IMPROVE = "improve"
    OPTIMIZE = "optimize"
    WORSEN = "worsen"
    CHANGE = "change"
    SCALE = "scale"  # halve, double; value: the factor
    COMPARATIVE = "comparative"  # faster, cheaper; value: (family, "down" or "up")
    QUANTITY = "quantity"
    TO = "to"
    MAX = "max"  # under, at most; value: the family that the phrase implies, or None
    MIN = "min"
    KEEP = "keep"  # equal, the same, no worse
    NOT = "not"
    MAY = "may"
    FUTURE = "future"  # will, if
    TODAY = "today"
    PERIOD = "period"  # value: month, request, …
    ITS = "its"
    SUBJECT = "subject"  # value: a Subject
    COLUMN = "column"  # the bare word "feature"; value: (column, is it a plural)
    AND = "and"
    OR = "or"
    BUT = "but"  # while, subject to: what follows shares nothing with what went before
    COMMA = "comma"
    COLON = "colon"
    STOP = "stop"
    OF = "of"  # of, for, in, on: a name may follow
    FILLER = "filler"
    UNKNOWN = "unknown"
    # the words of questions
    ASK = "ask"
    AUDIT = "audit"
    CACHING = "caching"
    COMPARE = "compare"
    WHICH = "which"
    SWITCH = "switch"
    OTHER = "other"  # a different, new or cheaper one
    UPGRADE = "upgrade"
    WORTH = "worth"
    WHEN = "when"
    ROLL_BACK = "roll back"
    WHERE = "where"


@dataclass(frozen=True)
class Quantity:
    value: float
    #: `share` (20 % is 0.2), `fraction` (a third), `times`, `ms`, `usd`, or `number`.
    unit: Literal["share", "fraction", "times", "ms", "usd", "number"]
    #: `+` or `-` as typed.
    sign: str = ""


class Subject(NamedTuple):
    """Whom or what a clause is about. Column None: the text gives only a name."""

    column: str | None
    names: tuple[str, ...]
    #: The name follows "of", "for", "in" or "on", and so is no object of its own.
    after_of: bool = False


@dataclass(frozen=True)
class Atom:
    kind: Kind
    value: Any = None
    #: The user's own words.
    text: str = ""
