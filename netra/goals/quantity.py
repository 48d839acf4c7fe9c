"""Reads quantities: "20 %", "500 ms", "three times", "a fifth", "$2,000", "x1.5"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netra.goals.atoms import Quantity
from netra.goals.tokens import Token

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: float(i) for i, word in enumerate(_ONES)}
_WORDS |= {word: 10.0 * i for i, word in enumerate(_TENS, start=2)}
_WORDS["hundred"] = 100.0

_PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6}
_PARTS |= {"seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twentieth": 20}
_PARTS |= {f"{word}s": n for word, n in list(_PARTS.items()) if word[-1] not in "sf"}

_UNITS: dict[str, tuple[str, float]] = {}
for _names, _unit, _factor in (
    ("% percent pct", "share", 0.01),
    ("x times fold time", "times", 1.0),
    ("ms msec msecs millisecond milliseconds millis", "ms", 1.0),
    ("s sec secs second seconds", "ms", 1e3),
    ("min mins minute minutes", "ms", 6e4),
    ("$ usd dollar dollars", "usd", 1.0),
):
    for _name in _names.split():
        _UNITS[_name] = (_unit, _factor)

_TIMES_WORD = re.compile(r"x(\d+(?:\.\d+)?)")


def read_quantity(tokens: Sequence[Token], at: int) -> tuple[Quantity, int] | None:
    """The quantity that starts at token `at`, and the index after it; None: none does."""
    return (
        _money(tokens, at)
        or _fraction(tokens, at)
        or _in_words(tokens, at)
        or _in_digits(tokens, at)
        or _times(tokens, at)
    )


def _word(tokens: Sequence[Token], at: int) -> str:
    if at < len(tokens) and tokens[at].kind in ("word", "punct"):
        return tokens[at].text.lower()
    return ""


def _with_unit(value: float, sign: str, tokens: Sequence[Token], at: int) -> tuple[Quantity, int]:
    if _word(tokens, at) == "per" and _word(tokens, at + 1) == "cent":
        return Quantity(value / 100, "share", sign), at + 2
    if _word(tokens, at) == "k" and _word(tokens, at + 1) in ("usd", "dollars", "$"):
        return Quantity(value * 1e3, "usd", sign), at + 2
    unit = _UNITS.get(_word(tokens, at))
    if unit is None:
        return Quantity(value, "number", sign), at
    return Quantity(value * unit[1], unit[0], sign), at + 1  # type: ignore[arg-type]


def _money(tokens: Sequence[Token], at: int) -> tuple[Quantity, int] | None:
    if _word(tokens, at) != "$" or at + 1 >= len(tokens) or tokens[at + 1].kind != "number":
        return None
    amount, end = tokens[at + 1].number, at + 2
    thousands = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}.get(_word(tokens, end))
    if thousands:
        return Quantity(amount * thousands, "usd"), end + 1
    return Quantity(amount, "usd"), end


def _fraction(tokens: Sequence[Token], at: int) -> tuple[Quantity, int] | None:
    """`a third`, `two thirds`, `half`, `by half`; and the times `half a second`, `a second`."""
    here, then = _word(tokens, at), _word(tokens, at + 1)
    if here == "a" and then in ("second", "minute"):
        return Quantity(_UNITS[then][1], "ms"), at + 2
    if here == "half" and then == "a" and _word(tokens, at + 2) in ("second", "minute"):
        return Quantity(_UNITS[_word(tokens, at + 2)][1] / 2, "ms"), at + 3
    if here in ("half", "quarter"):
        return Quantity(1 / _PARTS[here], "fraction"), at + 1
    count = 1.0 if here == "a" else _WORDS.get(here)
    if here == "in" and then == "half":
        return Quantity(0.5, "fraction"), at + 2
    if count and then in _PARTS:
        return Quantity(count / _PARTS[then], "fraction"), at + 2
    return None


def _in_words(tokens: Sequence[Token], at: int) -> tuple[Quantity, int] | None:
    """`three times`, `twenty five percent`, `two seconds`; a bare "one" is no quantity."""
    word = _word(tokens, at)
    if word in ("twice", "thrice"):
        return Quantity(2.0 if word == "twice" else 3.0, "times"), at + 1
    if word.endswith("fold") and word[:-4] in _WORDS:
        return Quantity(_WORDS[word[:-4]], "times"), at + 1
    if word not in _WORDS:
        return None
    value, end = _WORDS[word], at + 1
    if word in _TENS and 0 < _WORDS.get(_word(tokens, end), 0) < 10:
        value, end = value + _WORDS[_word(tokens, end)], end + 1
    elif _word(tokens, end) == "hundred":
        value, end = value * 100, end + 1
    quantity, after = _with_unit(value, "", tokens, end)
    return None if quantity.unit == "number" else (quantity, after)


def _in_digits(tokens: Sequence[Token], at: int) -> tuple[Quantity, int] | None:
    if tokens[at].kind != "number":
        return None
    token = tokens[at]
    below = tokens[at + 2] if _word(tokens, at + 1) == "/" and at + 2 < len(tokens) else None
    if below and below.kind == "number" and 0 < token.number < below.number:
        return Quantity(token.number / below.number, "fraction"), at + 3
    return _with_unit(abs(token.number), token.sign, tokens, at + 1)


def _times(tokens: Sequence[Token], at: int) -> tuple[Quantity, int] | None:
    """`x3`, `x 1.5`."""
    word = _word(tokens, at)
    if match := _TIMES_WORD.fullmatch(word):
        return Quantity(float(match.group(1)), "times"), at + 1
    if word == "x" and at + 1 < len(tokens) and tokens[at + 1].kind == "number":
        quantity, end = _with_unit(tokens[at + 1].number, "", tokens, at + 2)
        # "feature x 500 ms" names a feature; "usage x 1.5" multiplies
        return (Quantity(quantity.value, "times"), end) if quantity.unit == "number" else None
    return None
