"""The cheapest of a few policies, and the groups of requests for which another one is cheaper.

One policy for all is the total's minimum. A group (a model, a feature) gets its own only if that
pays on requests that did not choose it: the blocks (sessions, hours) are dealt into folds, each
fold is charged the policy that the other folds would choose for the group, and what this saves
against the one policy must be above zero at the lower end of a block-bootstrap interval. Choosing
and judging on the same requests would find a saving in noise (Varma & Simon, BMC Bioinformatics
7:91, 2006).

Cost: O(requests x policies) for each fold, and one bootstrap for each group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netra.analysis.bootstrap import MIN_BLOCKS, block_bootstrap, saving
from netra.errors import InsufficientData

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

#: Blocks are dealt into so many folds.
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class GroupChoice:
    """What was found for one group."""

    group: int
    #: The cheapest policy for the group's requests, by index.
    policy: int
    #: Saved against the one policy, when each fold is charged the choice of the others; in the
    #: costs' unit, with its interval. None where there are too few blocks to say.
    gain: float
    low: float | None
    high: float | None
    blocks: int
    #: Whether the group gets its own policy.
    accepted: bool
    #: Why not, where it does not.
    reason: str = ""


def choose_one(costs: Floats, allowed: Sequence[int] | None = None) -> int:
    """The policy with the lowest total; the first of several equal ones.

    Args:
        costs: what each request costs under each policy; shape (requests, policies).
        allowed: the policies to choose from, by index; None: all.

    Raises:
        InsufficientData: there is no request.
        ValueError: there is no policy.
    """
    options = list(range(costs.shape[1])) if allowed is None else list(allowed)
    if not options:
        raise ValueError("there is no policy to choose from")
    if not len(costs):
        raise InsufficientData("there is no request to choose on", ["requests in the fit part"])
    totals = costs.sum(axis=0)
    return min(options, key=lambda p: (totals[p], options.index(p)))


def choose_by_group(
    costs: Floats,
    groups: Codes,
    blocks: Codes,
    overall: int,
    *,
    seed: int,
    min_gain: float,
    level: float = 0.9,
) -> list[GroupChoice]:
    """For each group whose cheapest policy is not `overall`, whether it gets its own.

    Args:
        costs: shape (requests, policies).
        groups: each request's group, -1 for none; shape (requests,).
        blocks: each request's block, 0 or more; shape (requests,).
        overall: the policy of all other requests, by index.
        seed: deals the blocks into folds and draws the bootstrap.
        min_gain: the least saving worth a rule of its own, in the costs' unit.

    Returns:
        By descending gain; groups for which `overall` is cheapest are left out.
    """
    found: list[GroupChoice] = []
    for group in np.unique(groups[groups >= 0]).tolist():
        rows = groups == group
        policy = choose_one(costs[rows])
        if policy != overall:
            sums = _block_sums(costs[rows], blocks[rows])
            found.append(_judge(group, policy, sums, overall, seed, min_gain, level))
    return sorted(found, key=lambda c: (-c.gain, c.group))


def _judge(
    group: int, policy: int, sums: Floats, overall: int, seed: int, min_gain: float, level: float
) -> GroupChoice:
    """`sums`: what each block of the group costs under each policy; shape (blocks, policies)."""
    charged = _cross_fitted(sums, seed)
    pair = np.stack([sums[:, overall], charged])
    gain = float(pair[0].sum() - pair[1].sum())
    low = high = None
    if len(sums) >= MIN_BLOCKS:
        interval = block_bootstrap(pair, saving, xp=np, seed=seed, level=level)
        low, high = interval.low, interval.high
    if low is None:
        reason = f"too few blocks to judge: {len(sums)} of at least {MIN_BLOCKS}"
    elif low <= 0:
        reason = "the saving does not survive where it was not chosen"
    elif gain < min_gain:
        reason = "the saving is too small to be worth a rule of its own"
    else:
        reason = ""
    return GroupChoice(
        group=group, policy=policy, gain=gain, low=low, high=high, blocks=len(sums),
        accepted=not reason, reason=reason,
    )  # fmt: skip


def _cross_fitted(sums: Floats, seed: int) -> Floats:
    """What each block costs under the policy that the other folds choose; shape (blocks,)."""
    folds = np.random.default_rng(seed).permutation(len(sums)) % FOLDS
    totals = sums.sum(axis=0)
    charged = np.empty(len(sums))
    for fold in range(FOLDS):
        inside = folds == fold
        choice = int(np.argmin(totals - sums[inside].sum(axis=0)))
        charged[inside] = sums[inside, choice]
    return charged


def _block_sums(costs: Floats, blocks: Codes) -> Floats:
    _, places = np.unique(blocks, return_inverse=True)
    sums = np.zeros((int(places.max()) + 1, costs.shape[1]))
    np.add.at(sums, places, costs)
    return sums
