"""The requests whose caching can be chosen, in the form that choices are made on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netra.agents.columns import Codes, Floats, Mask
from netra.agents.model_codes import model_name
from netra.agents.prompt_replay import NONE, TTL_1H, TTL_5M, PromptRequests
from netra.analysis.bootstrap import MIN_BLOCKS
from netra.analysis.split import sessions_begin_at_zero
from netra.catalog.prices import RATE_NAMES
from netra.errors import InsufficientData

WRITE_5M, WRITE_1H = RATE_NAMES.index("cache_write_5m"), RATE_NAMES.index("cache_write_1h")
#: With more sessions groups of them are drawn and split, which is as good and much faster.
MOST_BLOCKS = 500
#: Each half of a split must be large enough for an interval.
LEAST_SESSIONS = 2 * MIN_BLOCKS


@dataclass(frozen=True, kw_only=True)
class Choosable:
    """Requests of known sessions whose model has a price for cache writes."""

    #: Which of all replayed requests they are; shape (requests,).
    rows: Mask
    #: USD of each under no cache, 5 minutes and 1 hour (5 minutes where there is no hour);
    #: shape (n, 3).
    costs: Floats
    #: Each request's block: its session, or a group of sessions where there are very many; in
    #: the order in which they begin.
    blocks: Codes
    count: int
    sessions: int
    #: Codes by which exceptions may be made, and what they stand for.
    columns: dict[str, tuple[Codes, list[str]]]
    #: Whether the sessions' times can be compared: then what is learned is verified on later ones.
    by_time: bool
    #: Why a column is not among them.
    notes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What a block is."""
        if self.sessions == self.count:
            return "sessions"
        return f"groups of the {self.sessions:,} sessions"


def choosable(requests: PromptRequests, anchored: bool) -> Choosable:
    """The requests that a choice is about.

    Args:
        anchored: whether the workload's times are those of a calendar.

    Raises:
        InsufficientData: no request has a session, no model a price for cache writes, or there
            are too few sessions to learn on some and verify on others.
    """
    assert requests.rates is not None
    in_session = requests.sessions >= 0
    if not in_session.any():
        raise InsufficientData("no request says which session it is of", ["session_id"])
    priced = ~np.isnan(requests.rates[:, [WRITE_5M, WRITE_1H]]).all(axis=1)
    rows = in_session & priced
    if not rows.any():
        names = sorted({model_name(m) for m in requests.model_names})
        needs = [f"a price for cache writes of {name}" for name in names]
        raise InsufficientData("no model's caching can be chosen", needs)
    distinct, sessions = np.unique(requests.sessions[rows], return_inverse=True)
    if len(distinct) < LEAST_SESSIONS:
        need = f"at least {LEAST_SESSIONS} sessions of models with a price for cache writes"
        raise InsufficientData(
            "there are too few sessions to learn on some and verify on others",
            [f"{need}, there are {len(distinct)}"],
        )
    costs = requests.cost_usd[[NONE, TTL_5M, TTL_1H]][:, rows].T.copy()
    costs[:, 2] = np.where(np.isnan(costs[:, 2]), costs[:, 1], costs[:, 2])
    columns, notes = _columns(requests, rows)
    count = min(len(distinct), MOST_BLOCKS)
    return Choosable(
        rows=rows,
        costs=costs,
        # Sums of independent sessions are independent too, and far fewer to draw.
        # Codes are in the order of appearance, and so are groups of neighbours.
        blocks=(sessions.astype(np.int64) * count // len(distinct)).astype(np.int32),
        count=count,
        by_time=anchored
        or not sessions_begin_at_zero(requests.times_us[rows], requests.sessions[rows]),
        sessions=len(distinct),
        columns=columns,
        notes=notes,
    )


def _columns(
    requests: PromptRequests, rows: Mask
) -> tuple[dict[str, tuple[Codes, list[str]]], tuple[str, ...]]:
    """Models never share a cache; features do where a session on a model has two of them."""
    models = [model_name(m) for m in requests.model_names]
    found = {"model": (requests.models[rows], models)}
    features = requests.features[rows]
    if not (features >= 0).any():
        return found, ("no request says which feature it is of: no lifetime by feature",)
    assert requests.caches is not None
    caches = requests.caches[rows]
    order = np.argsort(caches, kind="stable")
    mixed = (np.diff(caches[order]) == 0) & (np.diff(features[order]) != 0)
    if mixed.any():
        return found, ("sessions mix features that share cached prompts: no lifetime by feature",)
    return found | {"feature": (features, requests.feature_names)}, ()
