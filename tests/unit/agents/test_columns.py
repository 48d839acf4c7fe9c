from __future__ import annotations

import numpy as np
import pyarrow as pa

from netra.agents.columns import Vocabulary, concatenate, is_known, numbers, times
from tests.unit.agents.workloads import batch


def test_unknown_numbers_are_nan_and_zero_stays_zero():
    got = numbers(batch(input_tokens=[5, None, 0]), "input_tokens")
    np.testing.assert_array_equal(got, [5.0, np.nan, 0.0])


def test_a_column_that_is_absent_or_empty_is_unknown_throughout():
    rows = batch(ts=[1, 2], input_tokens=[None, None])
    assert np.isnan(numbers(rows, "input_tokens")).all()
    assert np.isnan(numbers(rows, "latency_ms")).all()
    assert not is_known(rows, "feature").any()


def test_times_are_microseconds():
    assert times(batch(ts=[0, 1_500_000])).tolist() == [0, 1_500_000]


def test_an_empty_list_is_unknown():
    rows = batch(prefix_hashes=[[1, 2], [], [3]])
    assert is_known(rows, "prefix_hashes").tolist() == [True, False, True]
    assert is_known(rows.slice(1, 2), "prefix_hashes").tolist() == [False, True]


def test_an_empty_map_is_unknown():
    rows = batch(attributes=[[("a", "b")], []])
    assert is_known(rows, "attributes").tolist() == [True, False]


def test_codes_are_the_same_over_all_batches():
    words = Vocabulary()
    first = words.encode(batch(model=["b", None, "a", "b"]), "model")
    second = words.encode(batch(model=["c", "a"]), "model")
    assert (first.tolist(), second.tolist()) == ([0, -1, 1, 0], [2, 1])
    assert words.texts == ["b", "a", "c"]
    assert words.encode(batch(ts=[1]), "model").tolist() == [-1]


def test_dictionary_columns_are_read_as_texts():
    coded = pa.array(["x", None, "y", "x"]).dictionary_encode()
    rows = pa.RecordBatch.from_arrays([coded], names=["model"])
    words = Vocabulary()
    assert words.encode(rows, "model").tolist() == [0, -1, 1, 0]


def test_beyond_the_limit_texts_share_one_code():
    words = Vocabulary(limit=2)
    assert words.encode(batch(user_id=["a", "b", "c", "d", "a"]), "user_id").tolist() == [
        *(0, 1, 2, 2, 0)
    ]
    assert words.texts == ["a", "b", "(others)"]
    assert (len(words), words.overflowed) == (2, True)


def test_nothing_concatenates_to_an_empty_array():
    assert concatenate([], np.int32).dtype == np.int32
