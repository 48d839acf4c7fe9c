"""Agents of prefix caches and of providers' prompt caches."""

from __future__ import annotations

from netra.catalog.agent import AgentSpec
from netra.catalog.params import CachingParams, PrefixBreakersParams, PromptCacheParams

#: What the replay of prompts needs of each event.
PROMPT_COLUMNS = (
    *("ts", "session_id", "provider", "model", "feature", "input_tokens", "output_tokens"),
    *("prefix_hashes", "block_tokens", "attributes"),
)

ENTRIES = (
    AgentSpec(
        name="caching",
        summary="Hit ratios of a prefix cache by capacity and eviction policy, and its memory.",
        pool="cpu",
        path="netra.agents.caching:run",
        params=CachingParams,
        columns=("ts", "prefix_hashes", "block_tokens"),
        upstream=("triage",),
        answers=("optimize", "audit_caching"),
    ),
    AgentSpec(
        name="prompt-cache",
        summary="What the provider's prompt cache costs and saves, by how long blocks live.",
        pool="cpu",
        path="netra.agents.prompt_cache:run",
        params=PromptCacheParams,
        columns=PROMPT_COLUMNS,
        upstream=("triage",),
        answers=("optimize", "audit_caching"),
    ),
    AgentSpec(
        name="prefix-breakers",
        summary="What changes early in prompts, how often, and what it costs in lost cache hits.",
        pool="cpu",
        path="netra.agents.prefix_breakers:run",
        params=PrefixBreakersParams,
        columns=tuple(c for c in PROMPT_COLUMNS if c != "output_tokens"),
        upstream=("triage",),
        answers=("optimize", "audit_caching"),
    ),
)
