"""From clauses to objectives and constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from netra.goals.atoms import Atom, Quantity
from netra.goals.frame import RELATIVE, Frame, NotUnderstood, cut
from netra.schemas.goal import Constraint, Metric, Objective

#: Of these, more is better, so that a fall is for the worse.
_MORE_IS_BETTER = {"quality"}
_UNITS = {
    "latency": ("ms",),
    "ttft": ("ms",),
    "cost": ("usd",),
    "quality": ("number", "share"),
    "error_rate": ("share", "number"),
    "usage": (),
}
#: Columns that narrow another subject: "feature X in production".
_QUALIFIERS = ("environment", "provider")
_NAMES = {"cost": "cost", "latency": "latency", "ttft": "time to first token"}
_NAMES |= {"quality": "quality", "usage": "usage", "error_rate": "the error rate"}


@dataclass
class Statements:
    """What the sentences of a goal state."""

    objectives: list[Objective] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    #: Whether some clause speaks of what will be, and asks for nothing.
    future: bool = False

    def assume(self, text: str) -> None:
        if text not in self.assumptions:
            self.assumptions.append(text)


def state(atoms: Sequence[Atom], into: Statements) -> None:
    """Adds what one sentence states.

    Raises:
        NotUnderstood: a clause of it is not understood.
    """
    frames = _share(cut(atoms))
    if not frames:
        return
    into.future = into.future or any(f.future for f in frames)
    for frame in frames:
        for family, stat in _metrics_of(frame, into):
            for where in _wheres(frame, into):
                _state_one(frame, _metric(family, stat, into), family, where, into)


def _share(frames: list[Frame]) -> list[Frame]:
    """Gives clauses what they leave to their neighbours.

    "cut cost and latency by 20 %", "feature X may take 500 ms, feature Y 200 ms",
    "for feature X, halve latency", "without spending more or losing quality".
    """
    frames = _share_subjects(frames)
    for i in range(len(frames) - 2, -1, -1):  # a bare metric looks ahead
        here, then = frames[i], frames[i + 1]
        if here.is_bare and then.has_predicate and then.joint not in ("next", "but"):
            _take(here, then)
        elif (
            then.joint in ("and", "or")
            and here.metrics
            and here.quantity is None
            and then.metrics
            and then.quantity is not None
            and then.quantity.unit in (*RELATIVE, *_shared_units(here))
            and (here.direction or here.keep)
            and not (then.direction or then.keep or then.comparative or here.bound)
        ):
            here.quantity, here.bound = then.quantity, then.bound
            here.to, here.bound_family = then.to, then.bound_family
    for before, here in pairwise(frames):
        _look_back(before, here)
    return frames


def _shared_units(frame: Frame) -> set[str]:
    """The units that fit every metric of the clause."""
    return set.intersection(*(set(_UNITS[family]) for family, _ in frame.metrics))


def _look_back(before: Frame, here: Frame) -> None:
    if here.its:
        here.subjects = here.subjects or before.subjects
    if here.is_bare and before.has_predicate and here.joint != "but":
        if before.quantity is not None and not before.quantity_first and before.bound is None:
            raise NotUnderstood(here.text, "it does not say by how much")
        _take(here, before)
        return
    unsigned = here.quantity is not None and not here.quantity.sign
    if unsigned and here.bound is None and before.bound is not None and here.subjects:
        here.bound, here.bound_family = before.bound, before.bound_family
        here.metrics = here.metrics or before.metrics
    elif (
        unsigned and here.joint != "but" and not (here.direction or here.comparative or here.bound)
    ):
        here.direction, here.improve = before.direction, before.improve
        here.direction_word = before.direction_word
    if before.negated and here.joint in ("or", "and") and _is_worsening(here):
        here.negated = True


def _is_worsening(frame: Frame) -> bool:
    """Whether it could only be meant as something to avoid: "losing quality"."""
    if frame.quantity is not None or frame.scale is not None or frame.negated or frame.may:
        return False
    if frame.comparative:
        return frame.comparative[1] == "up"
    families = {family for family, _ in frame.metrics}
    worse = {"down" if f in _MORE_IS_BETTER else "up" for f in families}
    return frame.worsen or (frame.direction is not None and worse == {frame.direction})


def _take(here: Frame, other: Frame) -> None:
    """Fills `here` with the predicate of `other`."""
    for name in (
        *("direction", "direction_word", "improve", "optimize", "worsen", "change", "keep"),
        *("negated", "may", "today", "scale", "quantity", "to", "bound", "bound_family"),
    ):
        setattr(here, name, getattr(here, name) or getattr(other, name))
    here.subjects = here.subjects or other.subjects


def _share_subjects(frames: list[Frame]) -> list[Frame]:
    """Resolves clauses that are only a subject: lists of subjects, and scopes of a sentence."""
    out: list[Frame] = []
    waiting: list[tuple[str | None, str]] = []
    scope: list[tuple[str | None, str]] = []
    for i, frame in enumerate(frames):
        if not frame.is_subject_only:
            if waiting and frame.subjects:
                frame.subjects = waiting + frame.subjects
            elif waiting:
                scope = waiting
            waiting = []
            frame.subjects = frame.subjects or list(scope)
            out.append(frame)
            continue
        later = any(not f.is_subject_only for f in frames[i + 1 :])
        if later:
            waiting.extend(frame.subjects)
        elif out:
            out[-1].subjects.extend(frame.subjects)
        else:
            raise NotUnderstood(frame.text, "it names something, but not what to do with it")
    return out


def _metrics_of(frame: Frame, into: Statements) -> list[tuple[str, str | None]]:
    """The metrics that a clause speaks of, said or implied."""
    implied = frame.comparative[0] if frame.comparative else frame.bound_family
    if frame.quantity and frame.quantity.unit == "ms" and not implied:
        implied = "latency"
    if frame.metrics:
        families = {family for family, _ in frame.metrics}
        if frame.comparative and families != {implied}:
            what = " and ".join(_NAMES[f] for f in sorted(families))
            raise NotUnderstood(frame.text, f"it mixes {what} with {_NAMES[str(implied)]}")
        if "cost" in families and "usage" in families and len(frame.metrics) > 1:
            raise NotUnderstood(frame.text, "it mixes cost with usage")
        return frame.metrics
    if implied:
        return [(implied, None)]
    if frame.direction_word == "growth":
        into.assume("growth without a metric is read as growth of usage")
        return [("usage", None)]
    if frame.optimize or (frame.improve and frame.quantity is None):
        into.assume("'optimize' without a metric is read as: cut cost")
        return [("cost", None)]
    raise NotUnderstood(frame.text, "it does not say of what: cost, latency, quality, usage, …")


def _metric(family: str, stat: str | None, into: Statements) -> Metric:
    if family not in ("latency", "ttft"):
        return family  # type: ignore[return-value]
    if stat is None:
        into.assume(f"{_NAMES[family]} without a percentile is read as p95")
    return f"{family}_{stat or 'p95'}_ms"  # type: ignore[return-value]


def _wheres(frame: Frame, into: Statements) -> list[dict[str, str]]:
    wheres: list[dict[str, str]] = []
    within = {c: name for c, name in frame.subjects if c in _QUALIFIERS}
    for column, name in frame.subjects:
        if column in _QUALIFIERS:
            continue
        if column is None:
            into.assume(f"{name!r} is read as a feature")
        where = {column or "feature": name, **within}
        if where not in wheres:
            wheres.append(where)
    return wheres or [within]


def _state_one(
    frame: Frame, metric: Metric, family: str, where: dict[str, str], into: Statements
) -> None:
    quantity = frame.quantity
    if quantity and frame.scale is not None:
        raise NotUnderstood(frame.text, "it says twice by how much")
    if quantity and _is_absolute(frame, family, quantity):
        into.constraints.append(_bound(frame, metric, family, where, into))
    elif quantity and (tolerated := _tolerance(frame, family, quantity)) is not None:
        into.constraints.append(Constraint(metric=metric, max_change=tolerated, where=where))
    elif quantity or frame.scale is not None:
        change = _relative_change(frame, family, into)
        into.objectives.append(Objective(metric=metric, change=change, where=where))
    elif _is_no_worse(frame, family):
        into.constraints.append(Constraint(metric=metric, max_change=0.0, where=where))
    elif frame.may and _direction(frame, family) == _worse(family):
        into.assume(f"{metric} may get worse: it is given no limit")
    else:
        _as_far_as_possible(frame, metric, family, where, into)


def _worse(family: str) -> str:
    return "down" if family in _MORE_IS_BETTER else "up"


def _direction(frame: Frame, family: str) -> str | None:
    """Which way the clause moves its metric."""
    better = "up" if family in _MORE_IS_BETTER else "down"
    if frame.comparative:
        # "more expensive" and "20 % cheaper" carry their direction in one word
        return frame.comparative[1]
    if frame.worsen:
        return _worse(family)
    if frame.improve or (frame.optimize and frame.direction is None):
        return better
    return frame.direction


def _is_absolute(frame: Frame, family: str, quantity: Quantity) -> bool:
    if quantity.unit not in _UNITS[family]:
        return False
    if family in ("quality", "error_rate"):
        moved = frame.worsen or frame.comparative or (frame.direction_word == "adjective")
        moves_by = frame.direction is not None and quantity.unit == "share" and not frame.to
        if frame.bound is None:
            return frame.to or (quantity.unit == "number" and not frame.direction)
        tolerated = (
            frame.may or frame.today or (moves_by and _direction(frame, family) == _worse(family))
        )
        return not moved and not tolerated
    return True


def _bound(
    frame: Frame, metric: Metric, family: str, where: dict[str, str], into: Statements
) -> Constraint:
    quantity = frame.quantity
    assert quantity is not None
    direction = _direction(frame, family)
    moved_by = direction is not None and frame.bound is None and not frame.to
    if quantity.sign or moved_by:
        raise NotUnderstood(
            frame.text, "a change has to be a share of today's value: 'by 20 %', or a bound: 'to …'"
        )
    side = frame.bound or ("min" if family in _MORE_IS_BETTER else "max")
    if frame.negated and frame.bound is not None:
        side = "min" if side == "max" else "max"
    if side != ("min" if family in _MORE_IS_BETTER else "max"):
        raise NotUnderstood(frame.text, f"{_NAMES[family]} can be bounded only on its bad side")
    if family == "cost" and frame.period is None:
        into.assume("a bound on cost without a period is read as over the workload's span")
    per = frame.period if family == "cost" else None
    largest = quantity.value if side == "max" else None
    least = quantity.value if side == "min" else None
    return Constraint(metric=metric, max=largest, min=least, per=per, where=where)  # type: ignore[arg-type]


def _tolerance(frame: Frame, family: str, quantity: Quantity) -> float | None:
    """How far a metric may move for the worse, if that is what the clause says."""
    if quantity.unit != "share" or family == "usage" or quantity.sign:
        return None
    direction = _direction(frame, family)
    bounded = frame.bound is not None or frame.negated or frame.may
    if bounded and direction == _worse(family):
        return quantity.value
    within = frame.bound == "max" and frame.bound_family == "latency"
    if within and direction is None and (frame.today or frame.metrics):
        return quantity.value  # within 5 % of today
    if frame.today and direction is None and frame.bound == "max" and family not in _MORE_IS_BETTER:
        return quantity.value - 1
    if frame.today and direction is None and frame.bound == "min" and family in _MORE_IS_BETTER:
        return round(1 - quantity.value, 12)
    return None


def _is_no_worse(frame: Frame, family: str) -> bool:
    if family == "usage":
        return False
    direction = _direction(frame, family)
    if frame.negated:
        return frame.change or frame.worsen or direction == _worse(family)
    if frame.bound is not None:
        side = "min" if family in _MORE_IS_BETTER else "max"
        return frame.today and frame.bound == side
    return frame.keep and direction is None


def _relative_change(frame: Frame, family: str, into: Statements) -> float:
    """The change that an objective aims at; checked to be for the better, and possible."""
    if frame.negated or frame.keep or frame.may or frame.bound_family:
        raise NotUnderstood(frame.text, "it does not say which change is wanted")
    direction = _direction(frame, family)
    if frame.scale is not None:
        change = frame.scale - 1
    else:
        change = _change_of(frame, direction)
    if frame.comparative and family == "latency" and change < 0 and _is_share(frame):
        into.assume(f"'{-change:.0%} faster' is read as {-change:.0%} less latency")
    if change <= -1:
        raise NotUnderstood(frame.text, "nothing can fall by 100 % or more")
    for_worse = change > 0 if _worse(family) == "up" else change < 0
    if family != "usage" and for_worse:
        raise NotUnderstood(
            frame.text,
            f"it asks for a worse {_NAMES[family]}; to tolerate one, write"
            f" '{_NAMES[family]} may {'rise' if _worse(family) == 'up' else 'fall'} by 10 %'",
        )
    return round(change, 12)


def _is_share(frame: Frame) -> bool:
    return frame.quantity is not None and frame.quantity.unit == "share"


def _change_of(frame: Frame, direction: str | None) -> float:
    quantity = frame.quantity
    assert quantity is not None
    value, unit = quantity.value, quantity.unit
    if unit not in RELATIVE:
        raise NotUnderstood(frame.text, "its unit does not fit what it speaks of")
    if frame.to:
        return value - 1
    if unit == "times":
        if value <= 0:
            raise NotUnderstood(frame.text, "nothing can be zero times as large")
        return 1 / value - 1 if direction == "down" else value - 1
    if quantity.sign:
        if (quantity.sign, direction) in (("+", "down"), ("-", "up")):
            raise NotUnderstood(frame.text, "its sign contradicts its words")
        return -value if quantity.sign == "-" else value
    if direction is None:
        if unit == "fraction":
            return value - 1  # "half the cost"
        raise NotUnderstood(frame.text, "it does not say whether more or less is wanted")
    if unit == "fraction" and frame.comparative == ("cost", "up"):
        return value - 1  # "half as expensive"
    return -value if direction == "down" else value


def _as_far_as_possible(
    frame: Frame, metric: Metric, family: str, where: dict[str, str], into: Statements
) -> None:
    """An objective without a number: "cut cost"."""
    direction = _direction(frame, family)
    if family == "usage":
        raise NotUnderstood(frame.text, "usage is given, not optimized: say by how much it grows")
    if frame.bound is not None:
        raise NotUnderstood(frame.text, "it sets a bound without a number")
    if direction is None or frame.negated or direction == _worse(family):
        raise NotUnderstood(frame.text, "it does not say what should get better, and which way")
    into.objectives.append(Objective(metric=metric, where=where))
