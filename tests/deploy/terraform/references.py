"""What an expression of Terraform refers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LOOP = re.compile(r"\bfor\s+([A-Za-z_]\w*)(?:\s*,\s*([A-Za-z_]\w*))?\s+in\b")
#: Roots that are no declaration.
BUILT_IN = frozenset({"each", "count", "path", "self", "terraform", "true", "false", "null"})
INDEX = "[]"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """`a.b[0].c`: `("a", "b", "[]", "c")`."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts).replace(".[]", "[…]")


def references(text: str) -> Iterator[Reference]:
    """Of a value as python-hcl2 gives it: a quoted template, a heredoc or `${expression}`."""
    if text.startswith('"') and text.endswith('"'):
        yield from _template(text[1:-1])
    elif text.startswith("${") and text.endswith("}"):
        yield from _expression(text[2:-1])
    else:
        yield from _template(text)


def template_names(text: str) -> set[str]:
    """Names that a file given to templatefile() takes."""
    names = {r.parts[0] for r in _template(text, bare=True)}
    return names - {"if", "endif", "else", "for", "endfor", "in"}


def _template(text: str, *, bare: bool = False) -> Iterator[Reference]:
    at = 0
    while (at := _next_opening(text, at)) >= 0:
        end = _matching(text, at + 1, "{", "}")
        yield from _expression(text[at + 2 : end], bare=bare)
        at = end + 1


def _next_opening(text: str, at: int) -> int:
    for found in re.finditer(r"[$%]\{", text[at:]):
        start = at + found.start()
        # `$${` is a dollar sign and a brace.
        if start == 0 or text[start - 1] != text[start]:
            return start
    return -1


def _matching(text: str, at: int, opening: str, closing: str) -> int:
    """Where the bracket at `at` closes; strings between are skipped."""
    depth = 0
    while at < len(text):
        if text[at] == '"':
            at = _string_end(text, at)
        elif text[at] == opening:
            depth += 1
        elif text[at] == closing:
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise ValueError(f"{opening!r} is not closed in {text!r}")


def _string_end(text: str, at: int) -> int:
    at += 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 1
        elif text[at] in "$%" and text[at + 1 : at + 2] == "{" and text[at - 1] != text[at]:
            at = _matching(text, at + 1, "{", "}")
        at += 1
    return at


def _expression(text: str, *, bare: bool = False) -> Iterator[Reference]:
    bound = {name for loop in _LOOP.findall(text) for name in loop if name}
    at = 0
    while at < len(text):
        if text[at] == '"':
            end = _string_end(text, at)
            yield from _template(text[at + 1 : end])
            at = end + 1
        elif match := _NAME.match(text, at):
            parts, at, inner = _traversal(text, match)
            for part in inner:
                yield from (r for r in _expression(part, bare=bare) if r.parts[0] not in bound)
            called = text[at : at + 1] == "("
            if parts[0] in bound or parts[0] in BUILT_IN or called:
                continue
            if len(parts) > 1 or bare:
                yield Reference(parts=tuple(parts))
        else:
            at += 1


def _traversal(text: str, first: re.Match[str]) -> tuple[list[str], int, list[str]]:
    """The parts from `first` on, where they end, and what stands in their brackets."""
    parts, at, inner = [first.group()], first.end(), []
    while at < len(text):
        if text[at] == "[":
            end = _matching(text, at, "[", "]")
            inner.append(text[at + 1 : end])
            parts.append(INDEX)
            at = end + 1
        elif text[at] == "." and (
            match := re.compile(r"\*|\d+|[A-Za-z_][\w-]*").match(text, at + 1)
        ):
            part = match.group()
            parts.append(INDEX if part == "*" or part.isdigit() else part)
            at = match.end()
        else:
            break
    return parts, at, inner
