from __future__ import annotations

import pyarrow as pa

from netra.agents.model_codes import ModelCodes, model_name


def test_a_model_is_what_its_provider_calls_it() -> None:
    codes = ModelCodes()
    first = pa.record_batch(
        {"provider": ["a", None, "b", "a"], "model": pa.array(["m", "m", "m", None])}
    )
    second = pa.record_batch({"provider": ["b", "a"], "model": ["m", "n"]})
    seen = [codes.encode(first).tolist(), codes.encode(second).tolist()]
    named = [[codes.names[c] if c >= 0 else None for c in part] for part in seen]
    assert named == [
        [("a", "m"), (None, "m"), ("b", "m"), None],
        [("b", "m"), ("a", "n")],
    ]
    assert sorted(codes.names.index(n) for n in codes.names) == [0, 1, 2, 3]


def test_names_are_said_with_their_provider_where_it_is_known() -> None:
    assert model_name(("a", "m")) == "a/m"
    assert model_name((None, "m")) == "m"
