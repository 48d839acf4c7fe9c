"""Coding-agent sessions of kv-cache-tester: Parquet, one request a row, block ids per session.

https://github.com/callanjfox/kv-cache-tester (Apache-2.0). `t` is seconds from the session's own
start, so sessions overlap that did not; `hash_ids` are ids of 64-token blocks that mean something
within their session only.

They are made global by adding the session's 64-bit hash (BLAKE2b of its name), modulo 2^64. That
keeps ids of a session apart (it is injective) and in their order, so that they still compress;
ids of two sessions meet with probability 2 x (ids per session) / 2^64, which is 5e-7 over all
pairs of 10,000 sessions with 100,000 blocks each.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netra.ingest.convert import SECONDS_AS_MS, TEXT, UINT32
from netra.ingest.format import Container, RowKind
from netra.ingest.hashes import HASH_LIST, lists_like
from netra.ingest.rows import Rows
from netra.ingest.timestamps import offset

BLOCK_TOKENS = 64
_US_PER_S = 1e6


class CodingAgent:
    name = "coding-agent"
    aliases = ("coding-agent-parquet",)
    about = "Coding-agent sessions of kv-cache-tester (Parquet)"
    container: Container = "parquet"
    required = ("session", "t", "model", "input_tokens", "output_tokens", "hash_ids")
    types: Mapping[str, pa.DataType] = {}
    relative = True
    kind: RowKind = "requests"

    def events(self, rows: Rows) -> dict[str, pa.Array]:
        session = rows.get("session", TEXT, required=True)
        model = rows.get("model", TEXT)
        return {
            "ts": rows.get("t", offset(_US_PER_S), required=True),
            "session_id": session,
            "provider": provider_of(model),
            "model": model,
            "input_tokens": rows.get("input_tokens", UINT32),
            "output_tokens": rows.get("output_tokens", UINT32),
            "ttft_ms": rows.get("ttft_s", SECONDS_AS_MS),
            "latency_ms": rows.get("api_time_s", SECONDS_AS_MS),
            "prefix_hashes": global_hashes(session, rows.get("hash_ids", HASH_LIST)),
            "block_tokens": pa.repeat(pa.scalar(BLOCK_TOKENS, pa.uint32()), rows.count),
            # type, think_time_s and subagent, and whatever else there is.
            "attributes": rows.rest((*self.required, "ttft_s", "api_time_s")),
        }


def provider_of(model: pa.Array) -> pa.Array:
    """Who makes the model, where its name leaves no doubt."""
    claude = pc.starts_with(model, "claude-")
    return pc.if_else(claude, pa.scalar("anthropic"), pa.scalar(None, pa.string()))


def global_hashes(session: pa.Array, ids: pa.Array) -> pa.Array:
    """Block ids that are unique across sessions (see the top of this file)."""
    coded = session.dictionary_encode()
    salts = np.array([_salt(name) for name in coded.dictionary.to_pylist()], np.uint64)
    # A missing session is a problem already noted; any number does for it.
    of_row = np.append(salts, np.uint64(0))[coded.indices.fill_null(len(salts)).to_numpy()]
    lengths = pc.list_value_length(ids).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(ids).to_numpy(zero_copy_only=False)
    return lists_like(ids, pa.array(flat + np.repeat(of_row, lengths)))


def _salt(session: str) -> int:
    return int.from_bytes(blake2b(session.encode(), digest_size=8).digest(), "little")
