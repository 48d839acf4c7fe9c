"""Sentences that ask, or that order something other than an improvement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from netra.goals.atoms import Atom, Kind, Quantity
from netra.goals.frame import UNKNOWN_WORDS, NotUnderstood
from netra.goals.lexicon import LEXICON
from netra.goals.reader import read
from netra.goals.tokens import Token
from netra.schemas.goal import ANY, Question

_K = Kind
_NAMED = {
    _K.SUBJECT,
    _K.COLUMN,
    _K.OF,
    _K.ITS,
    _K.FILLER,
    _K.FUTURE,
    _K.AND,
    _K.BUT,
    _K.COMMA,
    _K.COLON,
}

FORECAST = frozenset(
    _NAMED
    | {_K.ASK, _K.METRIC, _K.STAT, _K.LIMITS, _K.UP, _K.DOWN, _K.SCALE, _K.QUANTITY, _K.OR}
    | {_K.PERIOD, _K.TODAY, _K.TO, _K.MIN, _K.MAY}
)
AUDIT = frozenset(
    _NAMED
    | {_K.ASK, _K.AUDIT, _K.CACHING, _K.WORTH, _K.COMPARATIVE, _K.IMPROVE, _K.OPTIMIZE, _K.OR}
)
TOOLS = frozenset(_NAMED | {_K.WHICH, _K.SWITCH, _K.OTHER, _K.COMPARE, _K.OR, _K.TO, _K.ASK})
COMPARE = frozenset(
    _NAMED
    | {_K.COMPARE, _K.WHICH, _K.SWITCH, _K.OTHER, _K.ASK, _K.OR, _K.TO, _K.TODAY, _K.WORTH}
    | {_K.METRIC}
)
UPGRADE = frozenset(
    _NAMED
    | {_K.UPGRADE, _K.WORTH, _K.WHEN, _K.TO, _K.OR, _K.ROLL_BACK, _K.WHERE, _K.METRIC, _K.STAT}
    | {_K.AUDIT, _K.ASK, _K.UP, _K.DOWN, _K.IMPROVE, _K.WORSEN, _K.NOT, _K.KEEP, _K.QUANTITY}
)


@dataclass
class Asked:
    """One question, and what it is about."""

    question: Question
    about: dict[str, Any] = field(default_factory=dict)


def ask(tokens: Sequence[Token]) -> Asked | None:
    """What one sentence asks; None: it asks nothing that Netra knows.

    Raises:
        NotUnderstood: it is a question that Netra knows, with words that it does not.
    """
    recognisers: tuple[tuple[frozenset[Kind], Callable[[list[Atom]], Asked | None]], ...] = (
        (AUDIT, _audit),
        (TOOLS, _tools),
        (UPGRADE, _upgrade),
        (COMPARE, _compare),
        (FORECAST, _forecast),
    )
    for dialect, recognise in recognisers:
        atoms = read(tokens, dialect)
        if asked := recognise(atoms):
            return asked
    return None


def _kinds(atoms: Sequence[Atom]) -> set[Kind]:
    return {a.kind for a in atoms}


def _refuse_unknown(atoms: Sequence[Atom]) -> None:
    unknown = [a.text for a in atoms if a.kind is Kind.UNKNOWN]
    if any(_is_word_of_goals(text) for text in unknown):
        raise NotUnderstood(
            " ".join(unknown), "it mixes a question with an objective: put a stop between"
        )
    if unknown:
        raise NotUnderstood(" ".join(unknown), UNKNOWN_WORDS)


def _is_word_of_goals(text: str) -> bool:
    """Whether another kind of sentence would know the word, so that it is no name."""
    return any(LEXICON.readings((word,)) for word in text.lower().split())


def _where(atoms: Sequence[Atom], *but: str) -> dict[str, Any]:
    """`{"where": …}` of the subjects named, columns `but` left out."""
    where: dict[str, Any] = {}
    for atom in atoms:
        if atom.kind is Kind.SUBJECT and atom.value[0] not in but:
            column, names, _ = atom.value
            if (column or "feature") in where or len(names) > 1:
                raise NotUnderstood(atom.text, "ask about one subject at a time")
            where[column or "feature"] = names[0]
    return {"where": where} if where else {}


def _audit(atoms: list[Atom]) -> Asked | None:
    """ "Audit our prompt caching." """
    if Kind.CACHING not in _kinds(atoms):
        return None
    _refuse_unknown(atoms)
    return Asked("audit_caching", _where(atoms))


def _tools(atoms: list[Atom]) -> Asked | None:
    """ "Which of the agent's tools should switch model?" """
    kinds = _kinds(atoms)
    tools = [n for a in atoms if a.kind is Kind.SUBJECT for n in a.value[1] if _is(a, "tool_name")]
    each_tool = any(a.kind is Kind.COLUMN and _is(a, "tool_name") for a in atoms)
    model = any(a.kind in (Kind.COLUMN, Kind.SUBJECT) and _is(a, "model") for a in atoms)
    asks = kinds & {Kind.SWITCH, Kind.WHICH, Kind.COMPARE}
    if not (tools or each_tool) or not model or not asks:
        return None
    _refuse_unknown(atoms)
    about: dict[str, Any] = {"tools": [t for t in tools if t != ANY]}
    if models := [
        n for a in atoms if a.kind is Kind.SUBJECT for n in a.value[1] if _is(a, "model")
    ]:
        about["models"] = models
    return Asked("tool_models", about)


def _is(atom: Atom, column: str) -> bool:
    return atom.value[0] == column


def _compare(atoms: list[Atom]) -> Asked | None:
    """ "Would model A or model B suit my workload?", "gpt-4o vs claude-sonnet-4-5" """
    models = _models(atoms)
    if models is None:
        return None
    kinds = _kinds(atoms)
    which = _names_column(atoms, "model") and kinds >= {Kind.WHICH}
    other = _names_column(atoms, "model") and kinds >= {Kind.SWITCH, Kind.OTHER}
    cue = bool(kinds & {Kind.COMPARE, Kind.SWITCH, Kind.WHICH})
    joined = Kind.OR in kinds and len(models) > 1
    if not (which or other or (models and cue) or joined):
        return None
    about: dict[str, Any] = {"models": models}
    if metrics := list(dict.fromkeys(a.value for a in atoms if a.kind is Kind.METRIC)):
        about["metrics"] = metrics
    rest = [a for a in atoms if not (a.kind is Kind.SUBJECT and _is_model(a))]
    return Asked("compare_models", {**about, **_where(rest)})


def _models(atoms: list[Atom]) -> list[str] | None:
    """The models that a sentence names; None: it has words that name none."""
    models: list[str] = []
    for i, atom in enumerate(atoms):
        near = {a.kind for a in atoms[max(0, i - 1) : i] + atoms[i + 1 : i + 2]}
        if atom.kind is Kind.SUBJECT and _is_model(atom):
            models.extend(n for n in atom.value.names if n not in models and n != ANY)
        elif atom.kind is not Kind.UNKNOWN:
            continue
        elif _is_word_of_goals(atom.text) or not near & {Kind.OR, Kind.AND, Kind.UNKNOWN}:
            return None
        elif models and atoms[i - 1].kind is Kind.UNKNOWN:
            models[-1] = f"{models[-1]} {atom.text}"
        else:
            models.append(atom.text)
    return models


def _is_model(atom: Atom) -> bool:
    """Whether a subject is a model in a question that compares models."""
    column, _, after_of = atom.value
    return column == "model" or (column is None and not after_of)


def _names_column(atoms: Sequence[Atom], column: str) -> bool:
    return any(a.kind is Kind.COLUMN and a.value[0] == column for a in atoms)


def _forecast(atoms: list[Atom]) -> Asked | None:
    """ "What happens to cost and to our rate limits if usage grows by 50 %?" """
    kinds = _kinds(atoms)
    metrics = list(dict.fromkeys(a.value for a in atoms if a.kind is Kind.METRIC))
    moved = kinds & {Kind.UP, Kind.DOWN, Kind.SCALE, Kind.QUANTITY}
    grows = any(a.kind is Kind.UP and a.value == "growth" for a in atoms)
    # "twice the users" use twice as much
    users = bool(moved) and _names_column(atoms, "user_id")
    about_usage = "usage" in metrics or grows or users
    if not kinds & {Kind.ASK, Kind.LIMITS}:
        return None
    if not (metrics or users or Kind.LIMITS in kinds) or (moved and not about_usage):
        return None
    _refuse_unknown(atoms)
    asked = [m for m in metrics if m != "usage"]
    if Kind.LIMITS in kinds:
        asked.append("rate_limits")
    about: dict[str, Any] = {"metrics": asked, **_where(atoms)}
    if moved and (growth := _growth(atoms)) is not None:
        about["growth"] = growth
    return Asked("forecast", about)


def _growth(atoms: list[Atom]) -> float | None:
    """The relative change of usage that a question supposes; None: it supposes none."""
    sizes = [a for a in atoms if a.kind in (Kind.QUANTITY, Kind.SCALE)]
    if not sizes:
        return None
    text = " ".join(a.text for a in sizes)
    if len(sizes) > 1:
        raise NotUnderstood(text, "it supposes two changes at once")
    down = Kind.DOWN in _kinds(atoms)
    if sizes[0].kind is Kind.SCALE:
        return sizes[0].value - 1
    quantity: Quantity = sizes[0].value
    if quantity.unit == "times":
        return (1 / quantity.value if down else quantity.value) - 1
    if quantity.unit not in ("share", "fraction"):
        raise NotUnderstood(text, "growth is a share or a multiple: 50 %, 3 times")
    return -quantity.value if down or quantity.sign == "-" else quantity.value


def _upgrade(atoms: list[Atom]) -> Asked | None:
    """ "Was yesterday's model upgrade worth it? Roll back where cost rose and quality did not." """
    kinds = _kinds(atoms)
    at = next((i for i, a in enumerate(atoms) if a.kind is Kind.ROLL_BACK), len(atoms))
    judged, conditions = atoms[:at], atoms[at + 1 :]
    cue = Kind.UPGRADE in _kinds(judged) and kinds & {Kind.WORTH, Kind.WHEN}
    if not cue and at == len(atoms):
        return None
    _refuse_unknown([a for a in atoms if not _follows_to(a, atoms)])
    about: dict[str, Any] = {}
    if cue:
        stated = {Kind.UP, Kind.DOWN, Kind.QUANTITY, Kind.KEEP} & _kinds(judged)
        if stated and Kind.METRIC in _kinds(judged):
            words = " ".join(a.text for a in judged)
            raise NotUnderstood(words, "it mixes a question with an objective: put a stop between")
        about["what"] = "model" if any(_names_model(a) for a in judged) else "upgrade"
        if when := next((a for a in judged if a.kind is Kind.WHEN), None):
            about["when"] = when.value or when.text.lower().removeprefix("on ").removesuffix("'s")
        if to := next((a for a in judged if _follows_to(a, atoms)), None):
            about |= {"what": "model", "to": to.text}
        about |= _where([a for a in judged if a is not to and not _names_model(a)])
    if conditions:
        about["roll_back_when"] = _conditions(conditions)
    return Asked("evaluate_upgrade", about)


def _names_model(atom: Atom) -> bool:
    return atom.kind in (Kind.COLUMN, Kind.SUBJECT) and _is(atom, "model")


def _follows_to(atom: Atom, atoms: Sequence[Atom]) -> bool:
    at = next(i for i, a in enumerate(atoms) if a is atom)
    named = atom.kind is Kind.UNKNOWN or (atom.kind is Kind.SUBJECT and _is_model(atom))
    return named and at > 0 and atoms[at - 1].kind is Kind.TO


def _conditions(atoms: Sequence[Atom]) -> list[dict[str, str]]:
    """What has to have moved which way: `[{"metric": "cost", "moved": "up"}, …]`."""
    found: list[dict[str, str]] = []
    metric, moved, negated, last = "", "", False, ""
    words = " ".join(a.text for a in atoms)
    for atom in [*atoms, Atom(Kind.AND)]:
        match atom.kind:
            case Kind.METRIC:
                metric = atom.value
            case Kind.UP | Kind.DOWN:
                moved = atom.kind.value
            case Kind.IMPROVE:
                moved = "up" if metric == "quality" else "down"
            case Kind.WORSEN:
                moved = "down" if metric == "quality" else "up"
            case Kind.KEEP:
                moved = "unchanged"
            case Kind.NOT:
                negated = True
            case Kind.AND | Kind.BUT | Kind.COMMA:
                if metric:
                    moved = moved or (last if negated else "")
                    if not moved:
                        raise NotUnderstood(words, f"it does not say which way {metric} moved")
                    found.append({"metric": metric, "moved": f"not {moved}" if negated else moved})
                    last = moved
                metric, moved, negated = "", "", False
            case Kind.WHERE | Kind.FUTURE | Kind.ITS | Kind.UPGRADE | Kind.COLUMN | Kind.STAT:
                pass
            case _:
                raise NotUnderstood(atom.text, "a roll-back is decided by which way metrics moved")
    return found
