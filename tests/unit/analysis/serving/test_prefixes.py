"""The radix tree of prompts' beginnings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from netra.analysis.serving.prefixes import Prefixes, prefixes_of
from netra.errors import InvalidInput


def tree_of(hashes: list[list[int]], tokens: list[int], block_tokens: int = 4) -> Prefixes:
    return prefixes_of(
        np.cumsum([0, *map(len, hashes)]),
        np.array([one for blocks in hashes for one in blocks], np.uint64),
        np.array(tokens, np.int64),
        block_tokens=block_tokens,
    )


def paths(prefixes: Prefixes) -> list[list[int]]:
    ends = prefixes.offsets.tolist()
    return [prefixes.path[a:b].tolist() for a, b in itertools.pairwise(ends)]


def blocks(prefixes: Prefixes) -> list[list[int]]:
    return [prefixes.blocks[path].tolist() for path in paths(prefixes)]


def test_blocks_that_the_same_requests_have_are_one_segment() -> None:
    tree = tree_of([[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 9], [7]], [18, 17, 13, 7])
    # 1 and 2 are in three prompts, 3 in two; what only one has is in no path.
    assert blocks(tree) == [[2, 1], [2, 1], [2], []]
    assert paths(tree)[0] == paths(tree)[1]


def test_a_segment_ends_where_a_prompt_ends() -> None:
    tree = tree_of([[1, 2, 3], [1, 2, 3], [1]], [13, 13, 5])
    assert blocks(tree) == [[1, 2], [1, 2], [1]]


def test_the_last_block_of_a_prompt_that_ends_with_it_is_a_segment() -> None:
    tree = tree_of([[1, 2, 3], [1, 2, 3]], [12, 13])
    assert blocks(tree) == [[2, 1], [2, 1]]
    assert tree.last[paths(tree)[0]].tolist() == [False, True]


def test_what_is_no_full_block_of_the_prompt_is_ignored() -> None:
    # The last hash is that of a block which the prompt does not fill.
    assert blocks(tree_of([[1, 2], [1, 2]], [7, 7])) == [[1], [1]]
    assert blocks(tree_of([[1, 2], [1]], [9, 9])) == [[1], [1]]


def test_a_hash_after_other_blocks_is_another_block() -> None:
    tree = tree_of([[1, 5, 6], [2, 5, 6], [2, 5, 7], [5, 5, 5], [5, 5, 8]], [13] * 5)
    assert blocks(tree) == [[], [2], [2], [2], [2]]
    assert paths(tree)[1] == paths(tree)[2] != paths(tree)[3]


def test_random_prompts_have_the_common_beginnings_that_a_set_finds() -> None:
    for seed in range(300):
        rng = np.random.default_rng(seed)
        prompts = [rng.integers(0, 2, rng.integers(0, 7)).tolist() for _ in range(8)]
        tokens = [int(rng.integers(1, 30)) for _ in prompts]
        tree = tree_of(prompts, tokens)
        names = paths(tree)
        full = [one[: n // 4] for one, n in zip(prompts, tokens, strict=True)]
        for i, one in enumerate(full):
            for j, other in enumerate(full):
                same = next(
                    (k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
                    min(len(one), len(other)),
                )
                common = [a for a, b in zip(names[i], names[j], strict=False) if a == b]
                assert common == names[i][: len(common)]
                if i != j:
                    assert int(tree.blocks[common].sum()) == same


def test_some_of_the_requests_keep_their_paths() -> None:
    tree = tree_of([[1, 2], [1, 3], [1, 2], []], [9, 9, 8, 1])
    part = tree.take(np.array([3, 2, 0]))
    assert paths(part) == [paths(tree)[n] for n in (3, 2, 0)]
    assert len(tree.take(np.zeros(0, np.int64))) == 0


def test_no_requests_have_no_paths() -> None:
    assert len(tree_of([], [])) == 0


def test_arrays_that_do_not_fit_are_refused() -> None:
    one = np.ones(1, np.int64)
    with pytest.raises(InvalidInput, match="shapes"):
        prefixes_of(np.array([0, 1, 1]), np.ones(1, np.uint64), one, block_tokens=4)
    with pytest.raises(InvalidInput, match="do not rise from 0 to the 1 hashes"):
        prefixes_of(np.array([0, 2]), np.ones(1, np.uint64), one, block_tokens=4)
    with pytest.raises(InvalidInput, match="without tokens"):
        tree_of([[1]], [4], block_tokens=0)
