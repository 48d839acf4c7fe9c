from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.write_rules import THRESHOLDS, WriteRule, costs_by_rule, request_features, rules


def test_features_by_hand() -> None:
    times = np.array([0, 0, 10, 400, 500], np.int64) * 1_000_000
    caches = np.array([0, 1, 0, 1, 0], np.int32)
    tokens = np.array([100.0, 0, 200, 50, 200])
    known = np.array([0.0, 0, 100, 25, 200])
    features = request_features(times, caches, tokens, known)
    assert features["position"].tolist() == [0, 0, 1, 1, 2]
    assert features["gap_s"].tolist() == [0, 0, 10, 400, 490]
    assert features["longest_gap_s"].tolist() == [0, 0, 10, 400, 490]
    assert features["new_share"].tolist() == [1, 1, 0.5, 0.5, 0]
    assert features["input_tokens"].tolist() == tokens.tolist()


def test_the_longest_gap_stays_known() -> None:
    times = np.array([0, 50, 60, 61], np.int64) * 1_000_000
    found = request_features(times, np.zeros(4, np.int32), np.ones(4), np.zeros(4))
    assert found["gap_s"].tolist() == [0, 50, 10, 1]
    assert found["longest_gap_s"].tolist() == [0, 50, 50, 50]


def test_no_requests_have_no_features() -> None:
    none = np.empty(0)
    found = request_features(np.empty(0, np.int64), np.empty(0, np.int32), none, none)
    assert {len(values) for values in found.values()} == {0}


def test_a_rule_tells_each_request_what_to_do() -> None:
    rule = WriteRule(feature="gap_s", threshold=10, below=0, above=2)
    assert rule.actions({"gap_s": np.array([9.9, 10, 11])}).tolist() == [0, 2, 2]


def test_the_family_has_every_threshold_with_every_pair_of_different_ways() -> None:
    family = list(rules())
    assert len(family) == 6 * sum(map(len, THRESHOLDS.values()))
    assert len(set(family)) == len(family)
    assert all(rule.below != rule.above for rule in family)


def test_costs_are_added_up_by_block() -> None:
    family = [
        WriteRule(feature="gap_s", threshold=5, below=0, above=1),
        WriteRule(feature="gap_s", threshold=5, below=2, above=1),
    ]
    features = {"gap_s": np.array([1.0, 9, 1])}
    blocks = np.array([0, 1, 1], np.int32)
    sums = costs_by_rule(family, features, lambda a: 10.0 + a, blocks, 3)
    assert sums == pytest.approx(np.array([[10, 21, 0], [12, 23, 0]]))
