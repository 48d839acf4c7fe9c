"""Workloads whose best prompt-cache policy is known, and the three agents that should find it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from netra.agents.base import QuietContext
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData
from netra.schemas.goal import Goal
from tests.unit.agents.workloads import AS_OF, MONDAY_US, run_agent

MINUTE_US = 60_000_000
BLOCK = 100
#: USD per million tokens; `plain` is a model whose caching cannot be switched.
_CACHED = {"input": 10, "output": 50, "cache_read": 1, "cache_write_5m": 12.5, "cache_write_1h": 20}
SUPPLY = SupplyCatalog(
    [
        {
            "kind": "model",
            "name": f"acme/{name}",
            "effective_from": "2020-01-01",
            "content": content,
        }
        for name, content in (
            ("large", _CACHED),
            ("other", _CACHED),
            ("plain", {"input": 1, "output": 4}),
        )
    ],
    as_of=AS_OF,
)


@dataclass
class Events:
    """Columns that grow by whole sessions."""

    columns: dict[str, list[Any]] = field(default_factory=dict)
    _next_block: int = 1

    def session(
        self,
        name: str,
        start_us: int,
        gap_us: int,
        requests: int,
        *,
        repeats: bool = True,
        model: str = "large",
        **more: Any,
    ) -> None:
        """Requests `gap_us` apart; each prompt is the one before and a block more, or all new."""
        first = self._next_block
        for i in range(requests):
            length = i + 1
            if repeats:
                blocks = list(range(first, first + length))
                self._next_block = max(self._next_block, first + length)
            else:
                blocks = list(range(self._next_block, self._next_block + length))
                self._next_block += length
            row = {
                "event_id": f"{name}-{i}",
                "ts": start_us + i * gap_us,
                "session_id": name,
                "provider": "acme",
                "model": model,
                "input_tokens": length * BLOCK,
                "output_tokens": 10,
                "prefix_hashes": blocks,
                "block_tokens": BLOCK,
                "attributes": {},
                **more,
            }
            for column, value in row.items():
                self.columns.setdefault(column, []).append(value)

    def in_order(self) -> dict[str, list[Any]]:
        """The columns in the order of `ts`, as a store gives them."""
        order = sorted(range(len(self)), key=lambda i: self.columns["ts"][i])
        return {c: [values[i] for i in order] for c, values in self.columns.items()}

    def __len__(self) -> int:
        return len(self.columns["ts"])


def sessions(
    count: int,
    *,
    gap_us: int,
    requests: int = 10,
    every_us: int = 90 * MINUTE_US,
    start_us: int = MONDAY_US,
    **more: Any,
) -> Events:
    """Sessions that begin one after the other."""
    events = Events()
    for i in range(count):
        events.session(f"s{i:03}", start_us + i * every_us, gap_us, requests, **more)
    return events


def served(count: int = 1200, later: int = 40) -> dict[str, list[Any]]:
    """Requests to a model of one's own, one a minute: a cycle of 20 prompts, then of `later`."""
    kinds = [20 if i < count / 2 else later for i in range(count)]
    return {
        "ts": [MONDAY_US + i * MINUTE_US for i in range(count)],
        "session_id": [None] * count,
        "provider": [None] * count,
        "model": [None] * count,
        "input_tokens": [3 * BLOCK] * count,
        "output_tokens": [1] * count,
        "prefix_hashes": [[100 * (i % kinds[i]) + j for j in range(3)] for i in range(count)],
        "block_tokens": [BLOCK] * count,
        "attributes": [{}] * count,
    }


@dataclass
class Results:
    """What the stages of a job left, by agent."""

    by_agent: dict[str, dict[str, Any]]

    def __getattr__(self, agent: str) -> dict[str, Any]:
        return self.by_agent[agent]

    def lever(self, name: str = "prompt_caching") -> dict[str, Any]:
        return next(x for x in self.by_agent["plan"]["levers"] if x["lever"] == name)

    def tested(self, name: str = "prompt_caching") -> list[dict[str, Any]]:
        return [x for x in self.by_agent["backtest"]["levers"] if x["lever"] == name]

    def items(self) -> Iterator[dict[str, Any]]:
        yield from self.by_agent["report"]["goal"]["items"]

    def item(self, text: str) -> dict[str, Any]:
        return next(i for i in self.items() if text in i["text"].replace("\u00a0", " "))


ALL = ("triage", "profile", "caching", "prompt-cache", "plan", "backtest", "report")


def run_job(
    events: Mapping[str, Sequence[Any]],
    *,
    goal: str | Goal = "Cut cost by 20 %",
    anchored: bool = True,
    agents: Sequence[str] = ALL,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    supply: SupplyCatalog = SUPPLY,
    seed: int = 0,
) -> Results:
    """Runs agents one after the other, as the worker does: a lack of data is a result."""
    found: dict[str, dict[str, Any]] = {}
    for name in agents:
        try:
            content = run_agent(
                name,
                events,
                goal=goal,
                anchored=anchored,
                upstream=found,
                params=(params or {}).get(name, {}),
                context=QuietContext(seed=seed),
                supply=supply,
                batch_rows=97,
            ).content
        except InsufficientData as e:
            content = {"status": "insufficient_data", "detail": e.detail, "needs": list(e.needs)}
        # As the store gives it back.
        found[name] = msgspec.json.decode(msgspec.json.encode(content))
    return Results(found)
