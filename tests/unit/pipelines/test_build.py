"""Jobs' stages: what is accepted, in which order, and what is said about the rest."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import msgspec
import pytest

from netra.catalog.params import NoopParams
from netra.errors import InvalidInput
from netra.pipelines import MAX_STAGES, build


def noop(name: str, *after: str, **extra: Any) -> dict[str, Any]:
    return {"name": name, "agent": "noop", "after": list(after), **extra}


def refused(**job: Any) -> dict[str, str]:
    """The problems by place."""
    with pytest.raises(InvalidInput) as caught:
        build(**job)
    assert caught.value.status == 400
    return {p.where: p.problem for p in caught.value.errors}


def test_explicit_dag_in_running_order_with_the_catalog_facts() -> None:
    others = {"name": "g", "agent": "noop-gpu"}, {"name": "s", "agent": "noop-short"}
    stages = build(stages=[noop("b", "a"), noop("a"), *others])
    assert [s.name for s in stages] == ["a", "g", "s", "b"]
    assert {s.name: s.pool for s in stages} == {"a": "cpu", "b": "cpu", "g": "gpu", "s": "cpu"}
    assert stages[3].after == ("a",)
    assert {s.name for s in stages if s.short} == {"s"}
    assert all(s.limit_s > 0 for s in stages)


def test_stored_params_are_complete() -> None:
    (stage,) = build(stages=[noop("a", params={"ticks": 3})], params={"noop": {"sleep_s": "0.5"}})
    given = {"sleep_s": 0.5, "ticks": 3}
    assert stage.params == msgspec.to_builtins(NoopParams()) | given
    assert stage.params.keys() == set(NoopParams.__struct_fields__)


def test_a_stage_overrides_the_job() -> None:
    stages = build(
        stages=[noop("a", params={"ticks": 3}), noop("b")], params={"noop": {"ticks": 1}}
    )
    assert [s.params["ticks"] for s in stages] == [3, 1]


def test_names_may_be_left_out() -> None:
    stages = build(stages=[{"agent": "noop"}, noop("noop-2"), {"agent": "noop"}])
    assert [s.name for s in stages] == ["noop", "noop-2", "noop-3"]


def test_repeated_edge_counts_once() -> None:
    assert build(stages=[noop("a"), noop("b", "a", "a")])[1].after == ("a",)


def test_unknown_agents_names_and_edges_are_reported_together() -> None:
    problems = refused(
        stages=[
            noop("a"),
            {"name": "b", "agent": "oracle"},
            noop("a", "nowhere"),
            noop("d", "a", "d"),
            noop("no spaces"),
        ]
    )
    assert problems.keys() == {
        "stages[1].agent",
        "stages[2].name",
        "stages[2].after[0]",
        "stages[3].after[1]",
        "stages[4].name",
    }
    assert "itself" in problems["stages[3].after[1]"]


def test_cycle_is_named_with_its_path_and_place() -> None:
    problems = refused(stages=[noop("a", "c"), noop("b", "a"), noop("c", "b")])
    (where, problem), *_ = problems.items()
    assert where in {"stages[0].after[0]", "stages[1].after[0]", "stages[2].after[0]"}
    path = problem.split("each other: ")[1].split(";")[0].split(" → ")
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("stage", "where"),
    [
        ({"agent": "noop", "after": "a"}, "stages[0].after"),
        ({"agent": "noop", "after": [1]}, "stages[0].after[0]"),
        ({"name": "a"}, "stages[0].agent"),
        ({"agent": "noop", "depends": []}, "stages[0].depends"),
        ("noop", "stages[0]"),
    ],
)
def test_unreadable_stage(stage: Any, where: str) -> None:
    assert where in refused(stages=[stage])


def test_empty_and_oversized() -> None:
    assert "stages" in refused(stages=[])
    assert "stages" in refused(stages=[noop(f"s{i}") for i in range(MAX_STAGES + 1)])
    assert len(build(stages=[noop(f"s{i}") for i in range(MAX_STAGES)])) == MAX_STAGES


def test_params_that_nobody_would_read() -> None:
    problems = refused(
        stages=[noop("a")], params={"oracle": {}, "noop-gpu": {"ticks": 1}, "noop": 3}
    )
    assert problems["params.oracle"] == "unknown agent"
    assert "no stage of this job" in problems["params.noop-gpu"]
    assert "not an object" in problems["params.noop"]


def test_bad_params_say_whose() -> None:
    of_job = refused(stages=[noop("a"), noop("b")], params={"noop": {"ticks": -1}})
    assert "params.noop.ticks" in of_job
    assert "stages[1].params.tick" in refused(stages=[noop("a"), noop("b", params={"tick": 1})])


def test_pipeline_and_stages_exclude_each_other() -> None:
    assert "stages" in refused(pipeline="optimize", stages=[noop("a")])


def test_unknown_pipeline() -> None:
    assert refused(pipeline="magic") == {"pipeline": "unknown pipeline"}


def test_importing_it_brings_no_numerics() -> None:
    code = (
        "import sys, netra.pipelines; "
        "print([m for m in ('numpy', 'numba', 'pyarrow', 'netra.agents') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class TestOptionalStages:
    CAPACITY: ClassVar = {"model": "meta-llama/Llama-3.1-8B", "ttft_p95_ms": 1000}

    def test_they_run_only_where_the_job_has_parameters_for_them(self) -> None:
        stages = build(pipeline="capacity", params={"capacity": self.CAPACITY})
        assert {s.name: s.after for s in stages} == {
            "triage": (),
            "profile": ("triage",),
            "capacity": ("profile",),
            "report": ("capacity",),
        }

    def test_with_parameters_they_stand_in_their_place(self) -> None:
        fit = {"gpu": "rtx4090", "model": "meta-llama/Llama-3.1-8B"}
        params = {"capacity": self.CAPACITY, "serving-fit": fit}
        stages = {s.name: s.after for s in build(pipeline="capacity", params=params)}
        assert stages["serving-fit"] == ("triage",)
        assert stages["capacity"] == ("profile", "serving-fit")

    def test_what_is_not_optional_asks_for_its_parameters(self) -> None:
        assert any("params.capacity" in where for where in refused(pipeline="capacity"))
