from __future__ import annotations

import pyarrow as pa
import pytest

from netra.embedded.clickhouse.arrow import joined


def stream(*values: int) -> bytes:
    batch = pa.record_batch({"a": list(values), "s": [str(v) for v in values]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def test_one_stream_out_of_several() -> None:
    whole = b"".join(joined(iter([stream(1, 2), stream(3), stream(4, 5)])))
    reader = pa.ipc.open_stream(whole)
    assert reader.read_all()["a"].to_pylist() == [1, 2, 3, 4, 5]
    assert whole.count(b"\xff\xff\xff\xff\x00\x00\x00\x00") == 1, "it ends once"


def test_nothing_out_of_none() -> None:
    assert list(joined(iter([]))) == []


def test_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="no Arrow stream"):
        list(joined(iter([stream(1), b"Code: 60."])))
