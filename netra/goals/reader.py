"""Reads tokens as atoms, in the dialect of one kind of sentence, and finds the names in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from netra.goals.atoms import Atom, Kind, Subject
from netra.goals.lexicon import LEXICON, Meaning
from netra.goals.quantity import read_quantity
from netra.goals.tokens import Token
from netra.schemas.goal import ANY

#: Words that can only be names: identifiers, versions, paths.
_IDENTIFIER = re.compile(r"\w*[_\d]\w*|.*\w[-./:@(]\w*.*|[a-z]+[A-Z]\w*", re.DOTALL)
#: Possessives, plain numbers, and percentiles that Netra does not compute.
_NO_NAME = re.compile(r".*'s|[^a-zA-Z]+|p\d+", re.DOTALL | re.IGNORECASE)
_MODEL_NAME = re.compile(
    r"(gpt|claude|gemini|llama|mistral|mixtral|qwen|deepseek|grok|command|nova|phi|gemma)-?\w*\d"
    r"|(claude|gemini|llama|mistral|mixtral|qwen|deepseek|grok)-|o[134](-|$)",
    re.IGNORECASE,
)
#: Columns whose plural alone ("the tools") means every event on which the column is known.
_COUNTABLE = {"feature", "tool_name", "operation"}
_LISTED_BY = {Kind.AND, Kind.OR, Kind.COMMA}
#: Longest name of several words that is not in quotes.
_NAME_WORDS = 4


def sentences(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens cut at full stops, question marks, semicolons and line ends."""
    found: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == "punct" and token.text in ".!?;":
            found.append([])
        else:
            found[-1].append(token)
    return [s for s in found if s]


def read(tokens: Sequence[Token], kinds: frozenset[Kind]) -> list[Atom]:
    """The atoms of one sentence, fillers left out.

    Args:
        kinds: what words may mean in this kind of sentence; a word with no such meaning is
            `Kind.UNKNOWN`, unless it turns out to be a name.
    """
    tokens = [part for token in tokens for part in _split(token)]
    atoms: list[Atom] = []
    at = 0
    while at < len(tokens):
        found, at = _read_at(tokens, at, kinds, after=atoms[-1] if atoms else None)
        atoms.extend(found)
    return [a for a in _join_names(atoms) if a.kind is not Kind.FILLER]


def _read_at(
    tokens: list[Token], at: int, kinds: frozenset[Kind], after: Atom | None
) -> tuple[list[Atom], int]:
    token = tokens[at]
    if token.kind == "quoted":
        return [Atom(Kind.SUBJECT, Subject(None, (token.text,)), token.text)], at + 1
    if token.kind == "date":
        kind = Kind.WHEN if Kind.WHEN in kinds else Kind.UNKNOWN
        return [Atom(kind, token.text, token.text)], at + 1
    named = after is not None and after.kind is Kind.COLUMN and not after.value[1]
    if named and len(token.text) == 1 and token.text.isalpha() and _is_letter(tokens, at):
        return [Atom(Kind.UNKNOWN, None, token.text)], at + 1
    phrase = _longest_phrase(tokens, at, kinds)
    quantity = read_quantity(tokens, at)
    if quantity and (phrase is None or quantity[1] >= phrase[1]):
        if named and quantity[0].unit == "number":
            return [Atom(Kind.UNKNOWN, None, token.text)], at + 1
        kind = Kind.QUANTITY if Kind.QUANTITY in kinds else Kind.UNKNOWN
        return [Atom(kind, quantity[0], _text(tokens[at : quantity[1]]))], quantity[1]
    if phrase:
        meaning, end = phrase
        text = _text(tokens[at:end])
        return [Atom(kind, value, text) for kind, value in meaning], end
    return [Atom(Kind.UNKNOWN, None, token.text)], at + 1


def _is_letter(tokens: list[Token], at: int) -> bool:
    """Whether a single letter is a name: "model a" is one, "a model a user asks for" is not."""
    if tokens[at].text not in "aI":
        return True
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    return following is None or following.text.lower() in {"or", "and", ",", "vs", "versus", "be"}


def _longest_phrase(
    tokens: list[Token], at: int, kinds: frozenset[Kind]
) -> tuple[Meaning, int] | None:
    for end in range(min(len(tokens), at + LEXICON.longest), at, -1):
        words = tuple(t.text.lower() for t in tokens[at:end] if t.kind in ("word", "punct"))
        if len(words) < end - at:
            continue
        for meaning in LEXICON.readings(words):
            if all(kind in kinds or kind is Kind.FILLER for kind, _ in meaning):
                return meaning, end
    return None


def _split(token: Token) -> list[Token]:
    """`twenty-five`, `cost/latency` and `p95-latency` are several words; `gpt-4` is one."""
    word = token.text.lower()
    if token.kind != "word" or LEXICON.readings((word,)):
        return [token]
    parts = re.split(r"([-/])", token.text)
    words = [Token("word", p) for p in parts[::2]]
    if len(parts) == 1 or not all(_known(w) for w in words):
        return [token]
    pairs = zip(words, [*parts[1::2], ""], strict=True)
    out = [t for w, mark in pairs for t in (w, Token("word", "and") if mark == "/" else None) if t]
    return out


def _known(token: Token) -> bool:
    quantity = read_quantity([token, Token("word", "times")], 0)
    return quantity is not None or bool(LEXICON.readings((token.text.lower(),)))


def _text(tokens: Sequence[Token]) -> str:
    return " ".join(t.text for t in tokens)


def _join_names(atoms: list[Atom]) -> list[Atom]:
    """Turns "feature X", "the search tool", "`x`" and "of checkout" into subjects."""
    out: list[Atom] = []
    at = 0
    while at < len(atoms):
        atom = atoms[at]
        if atom.kind is Kind.COLUMN:
            subject, at = _subject(out, atoms, at)
            out.append(subject)
            continue
        if atom.kind is Kind.OF:
            names, end = _name(atoms, at + 1)
            follows_column = end < len(atoms) and atoms[end].kind is Kind.COLUMN
            if names and not follows_column and atoms[at + 1].kind is Kind.UNKNOWN:
                subject = Subject(_column_of(names), (names,), after_of=True)
                out.append(Atom(Kind.SUBJECT, subject, f"{atom.text} {names}"))
                at = end
                continue
            atom = replace(atom, kind=Kind.FILLER)
        elif atom.kind is Kind.UNKNOWN and _is_identifier(atom.text):
            name = _clean(atom.text)
            atom = Atom(Kind.SUBJECT, Subject(_column_of(name), (name,)), atom.text)
        out.append(atom)
        at += 1
    return out


def _subject(before: list[Atom], atoms: list[Atom], at: int) -> tuple[Atom, int]:
    """The subject whose column word stands at `at`, its name after or before it."""
    column, plural = atoms[at].value
    name, end = _name(atoms, at + 1)
    names = [name] if name else []
    while names and end < len(atoms) and atoms[end].kind in _LISTED_BY:
        more, after = _name(atoms, end + 1)
        next_is_column = after < len(atoms) and atoms[after].kind is Kind.COLUMN
        listed = plural or (atoms[end].kind is not Kind.COMMA and _is_name_like(atoms, end + 1))
        if not more or next_is_column or not listed:
            break
        names.append(more)
        end = after
    if not names and (earlier := _take_name(before)):
        names = [earlier]
    text = " ".join([atoms[at].text, *names])
    if names:
        return Atom(Kind.SUBJECT, Subject(column, tuple(names)), text), max(end, at + 1)
    if plural and column in _COUNTABLE:
        return Atom(Kind.SUBJECT, Subject(column, (ANY,)), text), at + 1
    return atoms[at], at + 1


def _name(atoms: list[Atom], at: int) -> tuple[str, int]:
    """The name that starts at `at`, and the index after it; an empty name: none does."""
    while at < len(atoms) and atoms[at].text.lower() in (":", "called", "named"):
        at += 1
    if at < len(atoms) and _is_nameless(atoms[at]):
        return atoms[at].value.names[0], at + 1
    words: list[str] = []
    while at < len(atoms) and len(words) < _NAME_WORDS:
        atom = atoms[at]
        version = bool(words) and atom.kind is Kind.QUANTITY and atom.value.unit == "number"
        if not (atom.kind is Kind.UNKNOWN or version):
            break
        words.append(atom.text)
        at += 1
        if len(words) == 1 and (len(atom.text) == 1 or _is_identifier(atom.text)):
            break
    return _clean(" ".join(words)), at


def _take_name(before: list[Atom]) -> str:
    """Takes a name off the end of what was read before a column word."""
    if before and _is_nameless(before[-1]):
        return before.pop().value.names[0]
    words: list[str] = []
    while before and before[-1].kind is Kind.UNKNOWN and len(words) < _NAME_WORDS:
        words.insert(0, before.pop().text)
    return _clean(" ".join(words))


def _is_name_like(atoms: list[Atom], at: int) -> bool:
    if at >= len(atoms):
        return False
    atom = atoms[at]
    return _is_nameless(atom) or len(atom.text) == 1 or _is_identifier(atom.text)


def _is_nameless(atom: Atom) -> bool:
    """Whether it is a name that a column word may go with."""
    return atom.kind is Kind.SUBJECT and atom.value.column is None and not atom.value.after_of


def _is_identifier(text: str) -> bool:
    return bool(_IDENTIFIER.fullmatch(text)) and not _NO_NAME.fullmatch(text)


def _column_of(name: str) -> str | None:
    """`model` for names that only models have; None: it may be anything."""
    return "model" if _MODEL_NAME.match(name) else None


def _clean(name: str) -> str:
    return name.removesuffix("'s").removesuffix("()")
