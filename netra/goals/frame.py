"""One clause of a goal as slots to fill, and the cutting of a sentence into clauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netra.errors import NetraError
from netra.goals.atoms import Atom, Kind, Quantity

#: What words may mean in a sentence that states objectives and constraints.
STATEMENT = frozenset(
    {
        *(Kind.METRIC, Kind.STAT, Kind.DOWN, Kind.UP, Kind.IMPROVE, Kind.OPTIMIZE, Kind.WORSEN),
        *(Kind.CHANGE, Kind.SCALE, Kind.COMPARATIVE, Kind.QUANTITY, Kind.TO, Kind.MAX, Kind.MIN),
        *(Kind.KEEP, Kind.NOT, Kind.MAY, Kind.FUTURE, Kind.TODAY, Kind.PERIOD, Kind.ITS),
        *(
            Kind.SUBJECT,
            Kind.COLUMN,
            Kind.AND,
            Kind.OR,
            Kind.BUT,
            Kind.COMMA,
            Kind.COLON,
            Kind.STOP,
        ),
        *(Kind.OF, Kind.FILLER),
    }
)
_SEPARATORS = {Kind.AND, Kind.OR, Kind.BUT, Kind.COMMA}
#: Units of a change.
RELATIVE = ("share", "fraction", "times")
_PREDICATES = {Kind.DOWN, Kind.UP, Kind.SCALE, Kind.IMPROVE, Kind.OPTIMIZE}
UNKNOWN_WORDS = "Netra's grammar does not know these words"
#: Columns that name everything when they stand without a name: "our app".
_PLAIN_NOUNS = {"model", "app", "user_id", "provider", "environment"}


class NotUnderstood(NetraError):
    """A clause of the goal was not understood; `words` are the ones at fault."""

    def __init__(self, words: str, why: str) -> None:
        super().__init__(why)
        self.words = words
        self.why = why


@dataclass
class Frame:
    """The slots of one clause, in whatever order its words came."""

    #: What joins it to the clause before: `start`, `and`, `or`, `but`, `comma`, `next`: nothing.
    joint: str = "start"
    subjects: list[tuple[str | None, str]] = field(default_factory=list)
    metrics: list[tuple[str, str | None]] = field(default_factory=list)
    its: bool = False
    direction: str | None = None
    #: `verb`, `adjective` or `growth`.
    direction_word: str = ""
    improve: bool = False
    optimize: bool = False
    worsen: bool = False
    change: bool = False
    keep: bool = False
    negated: bool = False
    may: bool = False
    future: bool = False
    today: bool = False
    scale: float | None = None
    comparative: tuple[str, str] | None = None
    quantity: Quantity | None = None
    #: The quantity is what to arrive at, and not by how much to change.
    to: bool = False
    #: The quantity came before the metric: "20 % less cost and latency".
    quantity_first: bool = False
    bound: str | None = None
    bound_family: str | None = None
    period: str | None = None
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def has_predicate(self) -> bool:
        """Whether it says anything of its metric."""
        flags = self.improve or self.optimize or self.worsen or self.keep or self.change
        values = (self.direction, self.scale, self.comparative, self.quantity, self.bound)
        return flags or self.negated or any(v is not None for v in values)

    @property
    def is_directed(self) -> bool:
        """Whether it says which way its metric moves."""
        signed = self.quantity is not None and bool(self.quantity.sign)
        return signed or bool(self.direction or self.comparative or self.improve)

    @property
    def is_bare(self) -> bool:
        """Whether it is metrics alone: "cost" in "halve latency and cost"."""
        return bool(self.metrics) and not self.has_predicate

    @property
    def is_subject_only(self) -> bool:
        return bool(self.subjects) and not self.metrics and not self.has_predicate

    @property
    def is_complete(self) -> bool:
        return bool(self.metrics or self.comparative) and self.has_predicate


def cut(atoms: Sequence[Atom]) -> list[Frame]:
    """The clauses of one sentence.

    Raises:
        NotUnderstood: a word is unknown, or a slot would be filled twice.
    """
    if unknown := [a.text for a in atoms if a.kind is Kind.UNKNOWN]:
        raise NotUnderstood(" ".join(unknown), UNKNOWN_WORDS)
    frames = [Frame()]
    joint = ""
    stats: str | None = None
    for i, atom in enumerate(atoms):
        if atom.kind in _SEPARATORS or (atom.kind is Kind.COLON and frames[-1].is_subject_only):
            comma = atom.kind in (Kind.COLON, Kind.COMMA)
            joint = (joint or "comma") if comma else atom.kind.value
            continue
        if atom.kind is Kind.COLON:
            continue
        if frames[-1].words and (joint or _starts_clause(frames[-1], atom)):
            frames.append(Frame(joint=joint or "next"))
        joint = ""
        if atom.kind is Kind.STAT:
            stats = _add_stat(frames[-1], atom, atoms[i + 1 :])
        elif atom.kind is Kind.METRIC and stats is not None:
            frames[-1].words.append(atom.text)
            if (atom.value, stats) not in frames[-1].metrics:
                frames[-1].metrics.append((atom.value, stats))
        else:
            _fill(frames[-1], atom, atoms[i + 1] if i + 1 < len(atoms) else None)
        if atom.kind is not Kind.STAT:
            stats = None
    return [f for f in frames if f.words]


def _starts_clause(frame: Frame, atom: Atom) -> bool:
    """Whether a clause is finished and `atom` can only belong to a new one."""
    if not frame.is_complete:
        return False
    if atom.kind is Kind.NOT:
        return True
    if atom.kind is Kind.KEEP:
        return not (frame.negated or frame.keep)
    if atom.kind is Kind.QUANTITY and atom.value.unit in RELATIVE:
        unbounded = frame.keep and frame.bound is None
        return unbounded or (frame.quantity is not None and frame.is_directed)
    if atom.kind is Kind.METRIC:
        bounded = frame.bound is not None or frame.quantity is not None or frame.keep
        return bool(frame.metrics) and (bounded or frame.scale is not None)
    if atom.kind is Kind.STAT:
        return frame.quantity is not None and bool(frame.metrics)
    if atom.kind in _PREDICATES:
        adjective = atom.value == "adjective" or atom.text.lower() == "down"
        directed = frame.is_directed or frame.bound is not None
        return frame.quantity is not None and bool(frame.metrics) and directed and not adjective
    return False


def _add_stat(frame: Frame, atom: Atom, rest: Sequence[Atom]) -> str | None:
    """Puts "p95" with its metric: the one after it, the one before it, else latency."""
    stat: str = atom.value
    frame.words.append(atom.text)
    if rest and rest[0].kind is Kind.METRIC and rest[0].value in ("latency", "ttft"):
        return stat
    for later in rest:
        if later.kind is Kind.METRIC and later.value in ("latency", "ttft"):
            frame.metrics.append((later.value, stat))
            return None
        if later.kind not in _SEPARATORS and later.kind is not Kind.STAT:
            break
    if frame.metrics and frame.metrics[-1][0] in ("latency", "ttft") and not frame.metrics[-1][1]:
        frame.metrics[-1] = (frame.metrics[-1][0], stat)
    else:
        frame.metrics.append(("latency", stat))
    return None


def _fill(frame: Frame, atom: Atom, following: Atom | None) -> None:
    kind, value = atom.kind, atom.value
    frame.words.append(atom.text)
    match kind:
        case Kind.METRIC:
            if (value, None) not in frame.metrics:
                frame.metrics.append((value, None))
        case Kind.DOWN | Kind.UP:
            if frame.direction is not None and frame.direction != kind.value:
                raise NotUnderstood(frame.text, "it says both more and less")
            frame.direction = kind.value
            frame.direction_word = value
        case Kind.SCALE:
            _only_one(frame, frame.scale)
            frame.scale = value
        case Kind.COMPARATIVE:
            if frame.comparative not in (None, value):
                raise NotUnderstood(frame.text, "it compares in two ways at once")
            frame.comparative = value
        case Kind.QUANTITY:
            _only_one(frame, frame.quantity)
            frame.quantity = value
            frame.quantity_first = not frame.metrics
        case Kind.TO:
            frame.to = following is not None and following.kind is Kind.QUANTITY
        case Kind.MAX | Kind.MIN:
            if frame.bound is not None and frame.bound != kind.value:
                raise NotUnderstood(frame.text, "it bounds from above and from below at once")
            frame.bound = kind.value
            frame.bound_family = frame.bound_family or value
        case Kind.SUBJECT:
            frame.subjects.extend((value[0], name) for name in value[1])
        case Kind.COLUMN:
            if value[0] not in _PLAIN_NOUNS:
                raise NotUnderstood(atom.text, f"it does not say which {atom.text}")
        case Kind.PERIOD:
            frame.period = value
        case Kind.NOT:
            if frame.negated:
                raise NotUnderstood(frame.text, "it negates twice")
            frame.negated = True
        case _:
            setattr(frame, kind.value, True)


def _only_one(frame: Frame, slot: object) -> None:
    if slot is not None:
        raise NotUnderstood(frame.text, "it has more than one quantity; separate them by a comma")
