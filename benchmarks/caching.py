"""All benchmarks of the caching analyses; the last line is one JSON object.

`ttl_excess_over_best_fixed`: over 50 random halves of the coding-agent sessions (their top-level
requests), the median of what the lifetimes learned on one half cost on the other above the fixed
lifetime that is cheapest there in hindsight. It is what `netra analyze prompt-cache` reports.
Beside it: the per-request rules, judged the same way, and eviction policies on the Mooncake trace.

    python -m benchmarks.caching [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import resource
from typing import Any

import psutil

from benchmarks.lru_curve import measure
from netra.agents.base import Inputs, QuietContext, WorkloadInfo
from netra.agents.loading import load_agent
from netra.catalog.agents import get
from netra.catalog.supply import SupplyCatalog
from netra.ingest.read import events
from netra.schemas.goal import Goal
from tests.shared_data import shared_data_dir


def analyze(agent: str, file: str, **params: Any) -> dict[str, Any]:
    """An agent's content on all events of a shared trace."""
    spec = get(agent)
    path = shared_data_dir() / file
    info, count, stream = events(path, spec.columns)
    inputs = Inputs(
        job_id="",
        workload=WorkloadInfo(id=file, name=file, anchored=info.anchored, events=count),
        goal=Goal(),
        events=stream,
        supply=SupplyCatalog(),
    )
    return dict(load_agent(spec)(inputs, spec.parse_params(params), QuietContext()).content)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    busy_s, own_s = _busy_s(), _own_s()
    figures: dict[str, Any] = dict(measure(rounds))
    if (shared_data_dir() / "coding-agent-sessions.parquet").exists():
        figures |= _lifetimes()
    if (shared_data_dir() / "mooncake-conversation.jsonl").exists():
        _policies()
    others = max(0.0, (_busy_s() - busy_s) - (_own_s() - own_s))
    print(f"processor seconds: {_own_s() - own_s:.0f} of this benchmark, {others:.0f} of others")
    print(json.dumps(figures))


def _lifetimes() -> dict[str, float]:
    content = analyze("prompt-cache", "coding-agent-sessions.parquet", top_level_only=True)
    choice, rules = content["ttl_choice"], content["request_rules"]
    low, high = rules["saving"]["interval"]
    print(
        f"lifetimes on {choice['sessions']} sessions: {choice['default']} for all, by"
        f" {choice['by']}; {choice['splits']} splits; best rule saves"
        f" {rules['saving']['value']:.2%} ({low:.2%} to {high:.2%}) on unseen sessions"
    )
    return {
        "ttl_excess_over_best_fixed": choice["excess_over_best_fixed"],
        "rule_excess_over_best_fixed": rules["excess_over_best_fixed"],
    }


def _policies() -> None:
    content = analyze("caching", "mooncake-conversation.jsonl")
    print("hit ratios on the Mooncake trace")
    for policy, ratios in content["hit_ratio"].items():
        print(f"{policy:>8}: " + "  ".join(f"{c} {r:.4f}" for c, r in ratios.items()))


def _busy_s() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0)


def _own_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
