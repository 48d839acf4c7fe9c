"""What msgspec refuses, as a Problem: where it is, what was found there, what would do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

from netra.errors import Problem

#: msgspec names the place at the end of its message, and a key of an object as "`key` in" it.
_PLACE = re.compile(r" - at (`key` in )?`\$([^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_FIELD = re.compile(r"(unknown|missing required) field `([^`]*)`")
_VALUE = re.compile(r"Invalid (?:enum )?value (.*)")
_EXPECTED = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `([^`]*)`)?")
#: Longest piece of an offending object or list that is repeated back.
_SHOWN = 200
#: JSON's types, as msgspec calls them and as people do.
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "datetime": "a time such as 2026-01-31T12:00:00Z",
}

_Steps = list[str | int]
#: From the whole of some JSON to a place in it: names, and numbers in lists.
Steps = Sequence[str | int]

NUL = "\0"
#: How JSON writes it. It may be the end of a backslash that is escaped itself (`\\u0000`).
ESCAPED_NUL = b"\\u0000"


def problem_of(error: msgspec.ValidationError, value: Any, kind: Any, under: str = "") -> Problem:
    """The problem that `error` names.

    Args:
        value: what was to be converted.
        kind: the type that it was to be converted to.
        under: where `value` itself lies, e.g. `stages[2]`.
    """
    message = str(error)
    place = _PLACE.search(message)
    if place is None:
        return described(message, "", value, kind, under)
    message = message[: place.start()]
    if place[1]:
        return _key_problem(message, _steps(place[2]), value, kind, under)
    return described(message, place[2], value, kind, under)


def problems_of(error: msgspec.ValidationError, value: Any, kind: Any) -> list[Problem]:
    """Every field of `value` that is wrong: msgspec itself stops at the first.

    Args:
        error: what converting `value` to `kind` raised.
    """
    found: list[Problem] = []
    if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind, include_extras=True)
        for name in value:
            if name in hints:
                found += _field_problems(value[name], hints[name], name)
            elif kind.__struct_config__.forbid_unknown_fields:
                type_ = inspect.type_info(kind)
                found.append(_field_problem(True, [name], value, type_, ""))
        missing = [f.name for f in msgspec.structs.fields(kind) if f.required]
        found += [
            _field_problem(False, [name], value, inspect.type_info(kind), "")
            for name in missing
            if name not in value
        ]
    # What cannot be told field by field is told as msgspec told it.
    return found or [problem_of(error, value, kind)]


def _field_problems(value: Any, kind: Any, under: str) -> list[Problem]:
    """What is wrong with a field: of an object with any names, with each of them."""
    if isinstance(value, Mapping) and isinstance(inspect.type_info(kind), inspect.DictType):
        entries = [{name: inner} for name, inner in value.items()]
        if found := [p for entry in entries for p in _first_problem(entry, kind, under)]:
            return found
    return _first_problem(value, kind, under)


def _first_problem(value: Any, kind: Any, under: str) -> list[Problem]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        return [problem_of(e, value, kind, under)]
    return []


def nuls(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[Steps, str, bool]]:
    """Where in JSON there is a NUL, which PostgreSQL can hold in no text.

    Yields:
        The steps there, the text that holds it, and whether that is a name, and the last step.
    """
    match value:
        case str():
            if NUL in value:
                yield steps, value, False
        case Mapping():
            for name, inner in value.items():
                if NUL in name:
                    yield (*steps, name), name, True
                yield from nuls(inner, (*steps, name))
        case list():
            for i, inner in enumerate(value):
                yield from nuls(inner, (*steps, i))
        case _:
            pass


def in_words(kind: Any) -> str:
    """What a value of this type is: `text`, `one of: a, b`, or `a value` where that is open."""
    return _named(inspect.type_info(kind))


def described(message: str, path: str, value: Any, kind: Any, under: str = "") -> Problem:
    """The problem of a message of msgspec's without its place, which is `path` (`.a[0].b`)."""
    matched = _EXPECTED.fullmatch(message)
    steps, got = _followed(_steps(path), value, matched[3] if matched else None)
    type_ = _type_at(steps, inspect.type_info(kind))
    if field := _FIELD.search(message):
        return _field_problem(field[1] == "unknown", [*steps, field[2]], got, type_, under)
    where = written(steps, under)
    if matched is None:
        allowed = _allowed(type_)
        said = "unknown value" if allowed else message
        return Problem(where=where, problem=said, got=_short(got), expected=allowed)
    expected = _in_words(matched[1]) + matched[2]
    said = "not accepted" if matched[3] is None else "wrong type"
    return Problem(where=where, problem=said, got=_short(got), expected=expected)


def _field_problem(
    unknown: bool, steps: _Steps, got: Any, type_: inspect.Type | None, under: str
) -> Problem:
    """An object has a field too many, or one too few."""
    where = written(steps, under)
    name = str(steps[-1])
    fields = _fields(type_)
    if unknown:
        value = got.get(name) if isinstance(got, Mapping) else None
        known = "one of: " + ", ".join(fields) if fields else "no field"
        known = known if isinstance(type_, inspect.StructType) else None
        return Problem(where=where, problem="unknown field", got=_short(value), expected=known)
    return Problem(where=where, problem="missing", expected=_named(fields.get(name)))


def _key_problem(message: str, steps: _Steps, value: Any, kind: Any, under: str) -> Problem:
    type_ = _type_at(steps, inspect.type_info(kind))
    keys = type_.key_type if isinstance(type_, inspect.DictType) else None
    where = written(steps, under)
    if got := _VALUE.fullmatch(message):
        name = got[1].strip("'")
        return Problem(where=where, problem="unknown name", got=name, expected=_allowed(keys))
    only = next(iter(value)) if not steps and len(value) == 1 else None
    if matched := _EXPECTED.fullmatch(message):
        expected = _in_words(matched[1]) + matched[2]
        return Problem(where=where, problem="not a name", got=only, expected=expected)
    return Problem(where=where, problem=message, got=only)


def _steps(path: str) -> _Steps:
    """`.stages[2].agent` → `["stages", 2, "agent"]`."""
    return [m[1] or (int(m[2]) if m[2].isdigit() else m[2]) for m in _STEP.finditer(path)]


def _followed(steps: _Steps, value: Any, got: str | None) -> tuple[_Steps, Any]:
    """The steps with the keys that msgspec leaves out, and the value that they lead to.

    `...` is some value of an object. At the end of a path it is the first of the type that was
    `got`; elsewhere nobody knows, and the value stays unknown.
    """
    taken: _Steps = []
    for i, step in enumerate(steps):
        key = step
        if step == "..." and isinstance(value, Mapping):
            last = i == len(steps) - 1
            only = next(iter(value)) if last and len(value) == 1 else step
            key = next((k for k, v in value.items() if last and _json_type(v) == got), only)
        taken.append(key)
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return [*taken, *steps[i + 1 :]], f"a value of type {got}" if got else None
    return taken, value


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list | tuple):
        return "array"
    return type(value).__name__


def written(steps: Sequence[str | int], under: str = "") -> str:
    """`["stages", 2, "agent"]` → `stages[2].agent`; `body` where it is the whole."""
    text = under
    for step in steps:
        if isinstance(step, int) or step == "...":
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text or "body"


def _type_at(steps: Sequence[str | int], type_: inspect.Type | None) -> inspect.Type | None:
    """The type that a value at `steps` has to have; None where that is open."""
    if isinstance(type_, inspect.Metadata):
        return _type_at(steps, type_.type)
    if isinstance(type_, inspect.UnionType):
        within = (_type_at(steps, one) for one in type_.types)
        return next((t for t in within if not isinstance(t, inspect.NoneType | None)), None)
    if not steps or type_ is None:
        return type_
    if isinstance(type_, inspect.DictType):
        return _type_at(steps[1:], type_.value_type)
    if isinstance(type_, inspect.ListType | inspect.VarTupleType):
        return _type_at(steps[1:], type_.item_type)
    return _type_at(steps[1:], _fields(type_).get(str(steps[0])))


def _fields(type_: inspect.Type | None) -> dict[str, inspect.Type]:
    if isinstance(type_, inspect.StructType):
        return {field.encode_name: field.type for field in type_.fields}
    return {}


def _allowed(type_: inspect.Type | None) -> str | None:
    if isinstance(type_, inspect.LiteralType):
        return "one of: " + ", ".join(str(v) for v in type_.values)
    return None


def _named(type_: inspect.Type | None) -> str:
    if isinstance(type_, inspect.Metadata):
        return _named(type_.type)
    name = type(type_).__name__.removesuffix("Type").lower()
    name = {"list": "array", "vartuple": "array", "dict": "object", "struct": "object"}.get(
        name, name
    )
    return _allowed(type_) or _WORDS.get(name, "a value")


def _in_words(names: str) -> str:
    """`int | null` → `a whole number or null`."""
    parts = names.split(" | ")
    if "float" in parts:
        parts = [name for name in parts if name != "int"]
    return " or ".join(_WORDS.get(name, name) for name in parts)


def _short(value: Any) -> Any:
    """A scalar as it is; of an object or a list how it begins."""
    if value is None or isinstance(value, str | int | float):
        return value
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
