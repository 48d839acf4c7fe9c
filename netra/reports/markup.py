"""Elements of HTML and SVG as text. What is not `Markup` is escaped: nothing can be forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

#: Elements that have no closing tag in HTML.
_VOID = frozenset({"meta", "br", "hr", "img", "link"})


class Markup(str):
    """Text that is markup already; only this module and string constants make it."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]


def el(tag: str, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """`<tag …>children</tag>`; `class_` and `stroke_width` are written `class`, `stroke-width`.

    None and False leave an attribute out, True writes its name alone. Floats are rounded to
    hundredths: a hundredth of a pixel is not seen.
    """
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Markup:
    """Children one after the other, flattened; None is nothing."""
    return Markup("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    match child:
        case None:
            return ""
        case Markup():
            return child
        case str():
            return escape(_printable(child), quote=False)
        case int() | float():
            return f"{child:g}" if isinstance(child, float) else str(child)
        case _:
            return join(child)


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    name = name.rstrip("_").replace("_", "-")
    match value:
        case None | False:
            return ""
        case True:
            return f" {name}"
        case float():
            return f' {name}="{_number(value)}"'
        case _:
            return f' {name}="{escape(_printable(str(value)))}"'


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _printable(text: str) -> str:
    """Without the control characters and lone surrogates that no HTML file may hold."""
    if text.isprintable():
        return text
    kept = (c if c in "\n\t" or c.isprintable() or c.isspace() else "\ufffd" for c in text)
    return "".join(kept).replace("\r", "\n").replace("\x0b", " ").replace("\x0c", " ")
