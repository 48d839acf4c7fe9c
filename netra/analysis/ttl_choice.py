"""How long prompts are to be cached: learned on some sessions, to be verified on others.

The cheapest lifetime on the fit sessions is the choice for all. A model or a feature gets another
one only where that pays on folds that did not choose it (`policy_choice`), and of several columns
only the one whose exceptions pay most. Where nothing beats one lifetime for all, that is kept.

What a choice is worth is seen on halves of the sessions that it has not seen: `half_splits`.

Cost: O(requests x policies) for each fold, and one bootstrap for each group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from netra.analysis.compiled import Bools, Floats
from netra.analysis.policy_choice import Codes, GroupChoice, choose_by_group, choose_one


@dataclass(frozen=True, kw_only=True)
class TtlChoice:
    """One lifetime for all, and exceptions by one column."""

    #: The policy of all that have no exception, by index.
    overall: int
    #: Which column the exceptions are by, by index; None: there are none.
    column: int | None = None
    #: Its groups' policies.
    exceptions: dict[int, int] = field(default_factory=dict[int, int])
    #: Everything that was looked at, by column.
    judged: tuple[tuple[GroupChoice, ...], ...] = ()

    def charged(self, costs: Floats, columns: Sequence[Codes]) -> Floats:
        """What each request costs under the choice; shape (n,).

        Args:
            costs: shape (n, policies).
            columns: as the choice was made on, for these requests.
        """
        policies = np.full(len(costs), self.overall)
        if self.column is not None:
            for group, policy in self.exceptions.items():
                policies[columns[self.column] == group] = policy
        return costs[np.arange(len(costs)), policies]


def choose_ttl(
    costs: Floats, sessions: Codes, columns: Sequence[Codes], *, seed: int, min_gain_share: float
) -> TtlChoice:
    """The choice on the requests given.

    Args:
        costs: what each costs under each policy; shape (n, policies).
        sessions: each request's session, 0 or more; shape (n,).
        columns: codes of models, features, …, -1 for none; groups of a column must not share
            cached blocks. Each of shape (n,).
        seed: deals the sessions into folds and draws the bootstrap.
        min_gain_share: the least saving worth exceptions, as a share of the cost.

    Raises:
        InsufficientData: there is no request.
    """
    overall = choose_one(costs)
    least = min_gain_share * float(costs[:, overall].sum())
    judged = tuple(
        tuple(choose_by_group(costs, codes, sessions, overall, seed=seed, min_gain=least))
        for codes in columns
    )
    gains = [sum(c.gain for c in groups if c.accepted) for groups in judged]
    if not gains or max(gains) <= 0:
        return TtlChoice(overall=overall, judged=judged)
    column = int(np.argmax(gains))
    exceptions = {c.group: c.policy for c in judged[column] if c.accepted}
    return TtlChoice(overall=overall, column=column, exceptions=exceptions, judged=judged)


def half_splits(count: int, splits: int, seed: int) -> Bools:
    """Which of `count` sessions are fitted on, in each of some random halves.

    Returns:
        Shape (splits, count); the larger half of an odd count is for verifying.
    """
    rng = np.random.default_rng(seed)
    fit = np.zeros((splits, count), np.bool_)
    for row in fit:
        row[rng.permutation(count)[: count // 2]] = True
    return fit


def excess_over_best_fixed(costs: Floats, charged: Floats) -> float:
    """What the charged costs are above the policy that is cheapest in hindsight, as a share.

    To twelve digits: sums of the same costs in another order differ beyond them.
    """
    return round(float(charged.sum() / costs.sum(axis=0).min() - 1), 12)
