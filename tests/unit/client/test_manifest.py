from __future__ import annotations

import json
from pathlib import Path

import pytest

from netra.client.cells import value
from netra.client.manifest import Manifest, load
from netra.errors import InvalidInput

NOOP = {"stages": [{"name": "a", "agent": "noop"}]}


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def jsonl(tmp_path: Path, *rows: object, name: str = "sweep.jsonl") -> Manifest:
    return load(write(tmp_path, name, "".join(json.dumps(row) + "\n" for row in rows)))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0.5", 0.5),
        ("true", True),
        ("1000,10000", [1000, 10000]),
        ("a, b", ["a", "b"]),
        ('{"x": 1}', {"x": 1}),
        ("lru", "lru"),
        ("", ""),
    ],
)
def test_cells_mean_what_they_look_like(text: str, meant: object) -> None:
    assert value(text) == meant


def test_lines_of_json(tmp_path: Path) -> None:
    manifest = jsonl(tmp_path, {**NOOP, "labels": {"team": "search"}}, {**NOOP, "priority": 9})
    assert manifest.name == "sweep"
    assert [row.where for row in manifest.rows] == ["line 1", "line 2"]
    assert manifest.rows[0].job.labels == {"team": "search"}
    assert manifest.rows[1].job.priority == 9


def test_columns_of_a_table(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "m.csv",
        "workload_id,goal,pipeline,params.caching.capacities,labels.team,priority\n"
        'w,"Cut cost by 20 %",optimize,"1000,10000",007,9\n'
        "\n"
        "w,,optimize,,,\n",
    )
    first, second = load(path).rows
    assert first.job.params == {"caching": {"capacities": [1000, 10000]}}
    assert first.job.labels == {"team": "007"}
    assert (first.job.goal, first.job.priority) == ("Cut cost by 20 %", 9)
    assert (second.where, second.job.goal, second.job.params) == ("line 4", None, {})


def test_a_grid_is_the_product_of_its_lists_over_the_defaults(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "grid.toml",
        """
        [job]
        workload_id = "w"
        pipeline = "optimize"
        labels = { team = "search" }
        [grid]
        goal = ["Cut cost by 10 %", "Cut cost by 20 %"]
        labels.run = [1, 2, 3]
        params.caching.capacities = [[1000], [1000, 10000]]
        """,
    )
    rows = load(path).rows
    assert len(rows) == 2 * 3 * 2
    assert rows[-1].where == "combination 12"
    assert rows[-1].job.goal == "Cut cost by 20 %"
    assert rows[-1].job.labels == {"team": "search", "run": "3"}
    assert rows[-1].job.params == {"caching": {"capacities": [1000, 10000]}}
    assert len({row.key for row in rows}) == 12


def test_keys_come_from_name_and_content_and_tell_like_rows_apart(tmp_path: Path) -> None:
    other = {**NOOP, "priority": 1}
    first = jsonl(tmp_path, NOOP, NOOP, other)
    keys = [row.key for row in first.rows]
    assert len(set(keys)) == 3
    again = jsonl(tmp_path, other, NOOP, {**NOOP, "priority": 2}, NOOP)
    assert [row.key for row in again.rows if row.job.priority != 2] == [keys[2], *keys[:2]]
    elsewhere = jsonl(tmp_path, NOOP, name="other.jsonl")
    assert elsewhere.rows[0].key not in keys


def test_a_row_may_name_its_key_but_not_for_two_jobs(tmp_path: Path) -> None:
    named = {**NOOP, "idempotency_key": "mine"}
    manifest = jsonl(tmp_path, named, named, {**named, "priority": 9})
    assert [row.key for row in manifest.rows] == ["mine", "mine"]
    (clash,) = manifest.rejected
    assert (clash.where, clash.errors[0].problem) == (
        "line 3",
        "line 1 has this key for another job",
    )


def test_every_bad_row_is_rejected_with_its_line_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "bad.jsonl",
        "\n".join(
            [
                json.dumps(NOOP),
                "{not json",
                '{"stages": [{"agent": "noop"}], "gaol": "typo"}',
                '{"stages": [{"agent": "no-such-agent"}]}',
                '{"workload_id": "w", "goal": "make it purple"}',
                '{"pipeline": "optimize", "goal": "Cut cost by 20 %"}',
                '{"stages": [{"agent": "noop"}], "priority": 11}',
                "[1, 2]",
            ]
        ),
    )
    manifest = load(path)
    assert [row.where for row in manifest.rows] == ["line 1"]
    found = {r.where: (r.errors[0].where, r.errors[0].problem) for r in manifest.rejected}
    assert list(found) == [f"line {n}" for n in range(2, 9)]
    assert found["line 2"][0] == "line"
    assert found["line 3"] == ("gaol", "unknown field")
    assert found["line 4"] == ("stages[0].agent", "unknown agent")
    assert "purple" in manifest.rejected[3].detail or "purple" in found["line 5"][1]
    assert found["line 6"][0] == "workload_id"
    assert found["line 7"][0] == "priority"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.xlsx", "x", "a manifest is"),
        ("m.jsonl", "\n\n", "holds no job"),
        ("m.csv", "", "holds no job"),
        ("m.csv", "workload,goal\nw,x\n", "column 'workload'"),
        ("m.csv", 'goal\n"open\n', "line 2"),
        ("m.toml", "", "holds no job"),
        ("m.toml", "[grid", "m.toml"),
        ("m.toml", "[jobs]\n", "something beside"),
        ("m.toml", "[grid]\ngoal = 'one'\n", "an axis of the grid"),
        ("m.toml", "[grid]\ngoal = []\n", "an axis of the grid"),
    ],
)
def test_a_manifest_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        load(write(tmp_path, name, text))


@pytest.mark.parametrize(
    ("line", "said"),
    [('{"priority": ', "Expecting value at column 14"), ("{} {}", "Extra data at column 4")],
)
def test_a_broken_line_is_named_by_one_number(tmp_path: Path, line: str, said: str) -> None:
    good = json.dumps(NOOP)
    (rejected,) = load(write(tmp_path, "bad.jsonl", f"{good}\n{good}\n{line}\n")).rejected
    assert (rejected.where, rejected.errors[0].problem) == ("line 3", said)


def test_a_row_that_is_too_long_is_rejected(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, "m.csv", "pipeline\noptimize,x\n"))
    assert manifest.rejected[0].where == "line 2"
    assert "2 cells" in manifest.rejected[0].detail


def test_a_grid_that_nobody_can_have_meant_is_refused_before_it_is_expanded(tmp_path: Path) -> None:
    axes = "\n".join(f"labels.l{i} = {list(range(10))}" for i in range(30))
    path = write(tmp_path, "huge.toml", f'[job]\npipeline = "optimize"\n[grid]\n{axes}\n')
    with pytest.raises(InvalidInput, match="at most 1,000,000 are taken") as refused:
        load(path)
    assert f"{10**30:,} combinations" in str(refused.value)
    assert len(refused.value.errors) == 30
    assert refused.value.errors[0].where == "grid.labels.l0"
