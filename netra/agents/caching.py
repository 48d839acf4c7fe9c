"""The hit ratio of a prefix cache by capacity and eviction policy, from the prompts' blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.agents.base import Context, Inputs, StageResult
from netra.agents.columns import is_known
from netra.agents.prefix_caching.memory import KvMemory, kv_memory
from netra.agents.prefix_caching.policies import NAMES, policy_curves
from netra.agents.prefix_caching.section import COLUMNS, Findings, chart, section
from netra.agents.profiling.sourced import Sourced
from netra.analysis.knee import knee
from netra.analysis.lru_curve import LruCurve, LruStack
from netra.analysis.reference_sample import ReferenceSample
from netra.catalog.params import CachingParams
from netra.errors import InsufficientData, StageCancelled
from netra.schemas.figure import Figure

METHOD = (
    "LRU stack distances (Mattson 1970) of each block reference in the order of requests, the"
    " blocks of a request in theirs; first references count as misses; one cache for all requests"
)
_REPLAYED = (
    "{name}: replay of each block reference in the order of requests, the blocks of a request in"
    " theirs; first references count as misses; one cache for all requests"
)
#: Longer traces are sampled where a policy needs a replay for each capacity.
_SAMPLE_REFERENCES = 8_000_000
#: The knee is looked for among so many capacities, evenly spaced.
_KNEE_CAPACITIES = 2000


def run(inputs: Inputs, params: CachingParams, context: Context) -> StageResult:
    """Replays every block reference: once for LRU, once a capacity for other policies.

    Raises:
        InsufficientData: no event says which blocks its prompt has.
        NotFound: the model whose KV memory is asked for is not known.
        StageCancelled: the stage was asked to stop.
    """
    policies = _listed(params.policies)
    stack = LruStack()
    sample = None if set(policies) <= {"lru"} else ReferenceSample(_SAMPLE_REFERENCES)
    events = with_blocks = 0
    block_tokens: Counter[int | None] = Counter()
    for batch in inputs.events():
        if context.cancelled():
            raise StageCancelled
        blocks = np.asarray(batch.column("prefix_hashes").flatten(), np.uint64)
        stack.extend(blocks)
        if sample is not None:
            sample.extend(blocks)
        hashed = batch.filter(pa.array(is_known(batch, "prefix_hashes")))
        block_tokens.update(_counts(hashed.column("block_tokens")))
        events += batch.num_rows
        with_blocks += hashed.num_rows
        done = events / inputs.workload.events if inputs.workload.events else 1.0
        context.progress(0.85 * min(done, 1.0), f"{events:,} requests replayed")
    curve = stack.curve()
    if not curve.references:
        raise InsufficientData("no event says which blocks its prompt has", ["prefix_hashes"])
    capacities = sorted(set(_listed(params.capacities)))
    at_knee = _knee(curve)
    found = policy_curves(curve, sample, policies, capacities, at_knee, context)
    # One number where all requests agree, else how many requests have which.
    tokens = next(iter(block_tokens)) if len(block_tokens) == 1 else None
    memory, needs = _memory(params, tokens)
    of = Findings(
        curve=curve,
        found=found,
        knee=at_knee,
        block_tokens=tokens,
        memory=memory,
        memory_needs=needs,
        sourced=Sourced(inputs.workload.id),
        method=METHOD,
    )
    content = _content(of, params) | {
        "requests": events,
        "requests_with_blocks": with_blocks,
        "block_tokens": tokens,
        "block_tokens_seen": [
            {"block_tokens": tokens, "requests": n} for tokens, n in block_tokens.most_common(20)
        ],
    }
    return StageResult(content=content)


def _listed(given: Any) -> list[Any]:
    return list(dict.fromkeys((given,) if isinstance(given, int | str) else given))


def _counts(block_tokens: pa.Array) -> dict[int | None, int]:
    counted = pc.value_counts(block_tokens).to_pylist()
    return {pair["values"]: pair["counts"] for pair in counted}


def _knee(curve: LruCurve) -> int | None:
    """The capacity at the knee of the LRU curve, blocks."""
    spaced = np.linspace(1, curve.distinct, min(_KNEE_CAPACITIES, curve.distinct))
    sizes = np.unique(np.rint(spaced).astype(np.int64))
    at = knee(sizes.astype(np.float64), curve.at(sizes))
    return None if at is None else int(sizes[at])


def _memory(
    params: CachingParams, block_tokens: int | None
) -> tuple[KvMemory | None, tuple[str, ...]]:
    if params.model is None:
        return None, ()
    memory = kv_memory(params.model, block_tokens or 1, params.kv_number_bytes)
    if block_tokens:
        return memory, ()
    return None, ("block_tokens, the same for all requests that have prefix_hashes",)


def _content(of: Findings, params: CachingParams) -> dict[str, Any]:
    curve = of.curve
    figures = dict(_figures(of))
    places = _spread(curve.distinct, params.points)
    chapter = section(of, places)
    return {
        "hit_ratio": of.found.asked,
        "references": curve.references,
        "distinct": curve.distinct,
        "sample": {
            "share_of_blocks": of.found.asked_rate,
            "largest_error_of_lru": of.found.asked_error,
        },
        "curve": {"capacity_blocks": places, "hit_ratio": {"lru": curve.at(places).tolist()}},
        "policy_curves": of.found.as_json(),
        "knee": None
        if of.knee is None
        else {
            "capacity_blocks": of.knee,
            "hit_ratio": curve.hit_ratio(of.knee),
            "tokens": of.knee * of.block_tokens if of.block_tokens else None,
            "gib": of.memory.gib(of.knee) if of.memory else None,
        },
        "kv_memory": _memory_json(of),
        "method": METHOD,
        "figures": {name: msgspec.to_builtins(figure) for name, figure in figures.items()},
        "charts": [msgspec.to_builtins(chart(of, places))],
        "section": msgspec.to_builtins(chapter),
    }


def _memory_json(of: Findings) -> dict[str, Any] | None:
    if of.memory is None:
        needs = list(of.memory_needs)
        return {"status": "insufficient_data", "needs": needs} if needs else None
    asked = [int(c) for c in next(iter(of.found.asked.values()), {}) if c != "unlimited"]
    return of.memory.as_json() | {"gib": {str(c): of.memory.gib(c) for c in asked}}


def _figures(of: Findings) -> list[tuple[str, Figure]]:
    return [
        (f"{policy}_{size}", _figure(of, policy, size, ratio))
        for policy, ratios in of.found.asked.items()
        for size, ratio in ratios.items()
    ]


def _figure(of: Findings, policy: str, size: str, ratio: float) -> Figure:
    says = "of any size" if size == "unlimited" else f"of {int(size):,} blocks"
    label = f"Hit ratio of {_article(policy)} cache {says}"
    unit, n = "share of block references", of.curve.references
    exact = policy == "lru" or size == "unlimited" or of.found.asked_rate == 1
    method = METHOD if policy == "lru" else _REPLAYED.format(name=NAMES[policy])
    if exact:
        return of.sourced.exact(label, ratio, unit, n, method, *COLUMNS)
    return Figure(
        label=label,
        value=ratio,
        unit=unit,
        n=n,
        method=f"{method}; {of.found.of_sample()}",
        source=of.sourced.source(COLUMNS),
    )


def _article(policy: str) -> str:
    return {"belady": "the best possible (Belady)"}.get(policy, f"an {NAMES[policy]}").replace(
        "an SIEVE", "a SIEVE"
    )


def _spread(distinct: int, points: int) -> Sequence[int]:
    """Capacities from 1 to `distinct`, evenly spaced on a logarithmic axis; at most `points`."""
    return np.unique(np.rint(np.geomspace(1, distinct, points)).astype(np.int64)).tolist()
