"""Cuts a goal's text into words, numbers, names in quotes and punctuation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "number", "quoted", "date", "range", "punct"]

#: Characters that people and keyboards use for the same thing.
_SAME = str.maketrans(
    {
        "\u2212": "-",  # minus sign
        "\u2013": "-",  # en dash
        "\u2010": "-",
        "\u2011": "-",
        "\u2014": ";",  # em dash: a pause
        "\u00d7": "x",  # multiplication sign
        "\uff05": "%",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u00ab": '"',
        "\u00bb": '"',
    }
)
#: "1. ", "- " or "* " before the words of a list's line.
_LIST_MARK = re.compile(r"^[ \t]*(?:\d+[.)][ \t]|[-*\u2022][ \t]+(?=[A-Za-z`\"]))", re.MULTILINE)
_NARROW_SPACES = "\u00a0\u2007\u2009\u202f"
_THOUSANDS_SPACE = re.compile(rf"(?<=\d)[{_NARROW_SPACES}](?=\d{{3}}(?!\d))")
#: "cost-20%" is cost less 20 %, while "gpt-4" is a name.
_GLUED_SIGN = re.compile(r"(?<=[A-Za-z])([+-])(?=\d+(?:[.,]\d+)?\s*(?:%|percent))")

_TOKEN = re.compile(
    r"""
      (?P<quoted> `[^`]+` | "[^"]+" | (?<!\w)'[^']+'(?!\w) )
    | (?P<date>   \d{4}-\d{2}-\d{2} (?!\d) )
    | (?P<ordinal> \d+(?:st|nd|rd|th)\b )
    | (?P<range>  \d+(?:\.\d+)?\s?%?\s?-\s?\d+(?:\.\d+)? )
    | (?P<number> (?:(?<![\w.%)])[+-]\s?)? (?: \d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)
                    | \d+(?:[.,]\d+)? | \.\d+ ) )
    | (?P<word>   [^\W\d][\w]* (?: [-./:@'] \w+ )* (?: \(\) )? )
    | (?P<punct>  <= | >= | \S )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    kind: Kind
    #: As typed, quotes taken off.
    text: str
    #: The value of a number, its sign included.
    number: float = 0.0
    #: `+` or `-` where a number was typed with a sign.
    sign: str = ""


def tokenise(text: str) -> list[Token]:
    """The tokens of `text`, in order; nothing but white space and list marks is left out."""
    text = _LIST_MARK.sub("", text).strip().replace("\n", " ; ")
    text = _THOUSANDS_SPACE.sub("", text).translate(_SAME)
    text = _GLUED_SIGN.sub(r" \1", text)
    return [_token(m) for m in _TOKEN.finditer(text)]


def _token(match: re.Match[str]) -> Token:
    text = match.group()
    kind = match.lastgroup
    if kind == "quoted":
        return Token("quoted", text[1:-1].strip())
    if kind == "number":
        sign = text[0] if text[0] in "+-" else ""
        value = _number(text.lstrip("+- "))
        return Token("number", text, number=-value if sign == "-" else value, sign=sign)
    if kind == "date":
        return Token("date", text)
    if kind == "range":
        return Token("range", text)
    return Token("word" if kind in ("word", "ordinal") else "punct", text)


def _number(digits: str) -> float:
    """A comma before exactly three digits separates thousands, else it is a decimal comma."""
    if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", digits):
        return float(digits.replace(",", ""))
    return float(digits.replace(",", "."))
