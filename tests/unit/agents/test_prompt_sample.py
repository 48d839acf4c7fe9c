from __future__ import annotations

from itertools import pairwise

import numpy as np

from netra.agents.prompt_sample import Prompts, PromptSample


def add(sample: PromptSample, rows: list[int], sessions: list[int], prompts: list[list[int]]):
    sample.add(
        np.array(rows, np.int64),
        np.array(sessions, np.int32),
        np.array([b for p in prompts for b in p], np.uint64),
        np.array([len(p) for p in prompts]),
    )


def lists(found: Prompts) -> list[list[int]]:
    return [found.blocks[a:b].tolist() for a, b in pairwise(found.offsets)]


def test_all_prompts_are_kept_in_order_while_they_fit() -> None:
    sample = PromptSample(most_references=10)
    add(sample, [0, 2], [0, 1], [[9, 8], [9]])
    add(sample, [5], [0], [[7, 8, 9]])
    found = sample.prompts()
    assert found.rows.tolist() == [0, 2, 5]
    assert lists(found) == [[0, 1], [0], [2, 1, 0]]
    assert (found.distinct, found.share) == (3, 1.0)


def test_of_too_many_whole_sessions_are_kept() -> None:
    sample = PromptSample(most_references=2_000)
    rng = np.random.default_rng(1)
    sessions = rng.integers(0, 100, 1_000)
    for start in range(0, 1_000, 50):
        part = sessions[start : start + 50].tolist()
        add(sample, list(range(start, start + 50)), part, [[s, s + 1, s + 2, s] for s in part])
    found = sample.prompts()
    assert found.share == 1 / 2 or found.share == 1 / 4
    assert 0 < len(found.blocks) <= 2_000
    kept = set(sessions[found.rows].tolist())
    assert found.rows.tolist() == [i for i, s in enumerate(sessions.tolist()) if s in kept]


def test_no_prompts_are_no_prompts() -> None:
    found = PromptSample().prompts()
    assert (len(found.rows), len(found.blocks), found.offsets.tolist()) == (0, 0, [0])
