"""How a choice is applied and undone: the configuration, its risk and its effort."""

from __future__ import annotations

import json
from typing import Any

from netra.agents.planning.prompt_lever import PromptPolicy
from netra.schemas.report import Change

_TTL = {"ttl_5m": "5m", "ttl_1h": "1h"}
SPOKEN = {"none": "not at all", "ttl_5m": "for 5 minutes", "ttl_1h": "for 1 hour"}


def prompt_title(policy: PromptPolicy) -> str:
    """What the recommendation is called."""
    scope = "".join(f" of {column} {value}" for column, value in policy.where.items())
    if policy.default == "none":
        title = f"Do not cache prompts{scope}"
    else:
        title = f"Cache prompts{scope} {SPOKEN[policy.default]}"
    if policy.by_name:
        title += f", with {len(policy.by_name)} {policy.column}s on their own setting"
    return title


def prompt_change(policy: PromptPolicy) -> Change:
    """The request field that a Messages API reads; other providers call it otherwise."""
    content: dict[str, Any] = {"cache_control": _control(policy.default)}
    if policy.where:
        content = {"where": dict(policy.where), **content}
    if policy.by_name:
        by = {name: {"cache_control": _control(p)} for name, p in sorted(policy.by_name.items())}
        content[f"by_{policy.column}"] = by
    return Change(kind="json", content=json.dumps(content, indent=2, ensure_ascii=False))


def prompt_terms(policy: PromptPolicy) -> dict[str, str]:
    """Rollback, risk and effort."""
    return {
        "rollback": "Put the former cache_control back (or leave it out): the next request is"
        " billed as before; nothing else depends on it.",
        "risk": "Outputs cannot change: the same prompts reach the same models. A prompt that is"
        " not used again within the lifetime costs more than uncached, as writing to the cache is"
        " dearer than plain input. The replay assumes that every request sets its cache points at"
        " the end of its prompt.",
        "effort": "One field where requests are built; no change of prompts.",
    }


def _control(policy: str) -> dict[str, str] | None:
    return {"type": "ephemeral", "ttl": _TTL[policy]} if policy in _TTL else None


def prefix_change(capacity: int, block_tokens: float | None) -> Change:
    """The size of the cache as a serving engine is told; tokens only where blocks have a size."""
    content: dict[str, Any] = {"enable_prefix_caching": True, "capacity_blocks": capacity}
    if block_tokens is not None:
        content |= {"block_tokens": int(block_tokens), "kv_tokens": int(capacity * block_tokens)}
    return Change(kind="json", content=json.dumps(content, indent=2))


def prefix_terms() -> dict[str, str]:
    return {
        "rollback": "Switch prefix caching off, or give its memory back: requests are computed"
        " from their first token again.",
        "risk": "Outputs do not change. The memory is taken from the batch: fewer requests may run"
        " at once, which this plan does not price.",
        "effort": "A start parameter of the serving engine, and the memory for it.",
    }
