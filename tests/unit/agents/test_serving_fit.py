"""The agent `serving-fit` on real runs, as a file and as a job's parameters would have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from netra.agents.base import Inputs, QuietContext, WorkloadInfo
from netra.agents.fitting.record import fitted_deployment
from netra.agents.loading import load_agent
from netra.analysis.serving.calibrated import EngineCalibration
from netra.analysis.serving.fit_report import fit_run
from netra.analysis.serving.step_source import StepTimes
from netra.catalog.agents import get
from netra.catalog.params import ServingFitParams
from netra.catalog.supply import SupplyCatalog
from netra.errors import InsufficientData, InvalidInput, NotFound
from netra.ingest.read import events
from netra.schemas.goal import Goal
from netra.schemas.report import Section
from tests.shared_data import shared_data
from tests.unit.agents.traces import run_on_file
from tests.unit.agents.workloads import run_agent
from tests.unit.analysis.serving.runs import LINK_GBS, RUNS, load, rows_of
from tests.unit.analysis.serving.test_scaled import Profile

RUN = "rtxpro6000-llama-3.1-8b"
STAMPS = ("queued_ts", "scheduled_ts", "first_token_ts", "last_token_ts")


def meta_of(run: str) -> dict[str, Any]:
    return json.loads(shared_data(f"vllm-runs/{run}.meta.json").read_text())


def fitted(path: Path, run: str, **params: Any) -> dict[str, Any]:
    given = {"meta": meta_of(run), "gpu": RUNS[run]} | params
    content = run_on_file("serving-fit", path, SupplyCatalog(), **given).content
    return msgspec.json.decode(msgspec.json.encode(content))


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("run", RUNS)
def test_a_file_gives_what_the_log_gives(run: str) -> None:
    content = fitted(shared_data(f"vllm-runs/{run}.jsonl"), run)
    direct = fit_run(*load(run)).as_json()
    # Arrivals are rounded to the event's microsecond; nothing else differs.
    for name, error in direct["relative_error"].items():
        assert content["relative_error"][name] == pytest.approx(error, abs=2e-3)
        limit = 0.12 if name == "ttft_p90" else 0.04
        assert abs(content["relative_error"][name]) <= limit
        assert abs(content["carry_forward_error"][name]) > 3 * abs(error)
    assert content["fit_s"] > 0
    assert (content["fitted_requests"], content["scored_requests"]) == (150, 150)
    assert EngineCalibration.from_json(content["calibration"]).gpu == RUNS[run]


@pytest.mark.parametrize("until", [None, 75])
def test_corrupted_times_of_the_scored_part_change_no_parameter(
    tmp_path: Path, until: int | None
) -> None:
    rows = sorted(rows_of(RUN), key=lambda row: row["arrival_time"])
    params = {} if until is None else {"until_completion": until}
    clean = fitted(written(tmp_path / "clean.jsonl", rows), RUN, **params)
    rng = np.random.default_rng(3)
    end = sorted(row["last_token_ts"] for row in rows)[(until or 1) - 1]
    for k, row in enumerate(rows):
        for name in STAMPS:
            if until is None and k >= 150:
                row[name] = [None, float(rng.uniform(-1e6, 1e6)), float("nan")][k % 3]
            elif until is not None and row[name] > end:
                row[name] = [None, end + float(rng.uniform(1, 1e6))][k % 2]
    spoiled = fitted(written(tmp_path / "spoiled.jsonl", rows), RUN, **params)
    for name in ("efficiencies", "log_deviations"):
        assert clean[name] == spoiled[name]
    assert clean["relative_error"] != spoiled["relative_error"]


def test_a_scored_part_without_times_leaves_the_parameters_and_says_what_lacks(
    tmp_path: Path,
) -> None:
    rows = sorted(rows_of(RUN), key=lambda row: row["arrival_time"])
    for row in rows[150:]:
        row |= dict.fromkeys(STAMPS)
    content = fitted(written(tmp_path / "blind.jsonl", rows), RUN)
    whole = fitted(shared_data(f"vllm-runs/{RUN}.jsonl"), RUN)
    assert content["efficiencies"] == whole["efficiencies"]
    assert set(content["relative_error"].values()) == {None}
    section = msgspec.convert(content["section"], Section)
    assert section.status == "insufficient_data"
    assert "last-token times" in section.needs[0]


def test_another_run_is_predicted(tmp_path: Path) -> None:
    target = "rtxpro6000-qwen3-32b"
    path = shared_data(f"vllm-runs/{target}.jsonl")
    _, _, stream = events(path, get("serving-fit").columns)
    rows = [row for batch in stream() for row in batch.to_pylist()]
    params = {"predict": rows, "predict_meta": meta_of(target)}
    content = fitted(shared_data(f"vllm-runs/{RUN}.jsonl"), RUN, link_gbs=LINK_GBS, **params)
    direct = fit_run(*load(RUN, LINK_GBS), other=load(target, LINK_GBS))
    for name, error in direct.relative_error.items():
        assert content["relative_error"][name] == pytest.approx(error, abs=2e-3)
    assert abs(content["relative_error"]["tpot_mean"]) <= 0.15
    assert (content["model"], content["scored_requests"]) == ("Qwen/Qwen3-32B", 300)
    with pytest.raises(InsufficientData) as lacks:
        fitted(shared_data(f"vllm-runs/{RUN}.jsonl"), RUN, **params)
    assert lacks.value.needs[0].startswith("link_gbs")


def test_a_workload_with_latencies_alone_is_fitted_too() -> None:
    """As a job: no record, no clock of the engine's, settings as parameters."""
    log, deployment = load(RUN)
    start = float((log.queued_s - log.arrival_s).min())
    queued_us = np.round((log.queued_s - start) * 1e6).astype(np.int64)
    columns: dict[str, list[Any]] = {
        "ts": queued_us.tolist(),
        "input_tokens": log.input_tokens.tolist(),
        "output_tokens": log.output_tokens.tolist(),
        "ttft_ms": (log.ttft_s * 1e3).tolist(),
        "latency_ms": (log.latency_s * 1e3).tolist(),
    }
    settings = {"max_num_seqs": 128, "max_num_batched_tokens": 2048}
    params = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "RTX PRO 6000"} | settings
    content = run_agent("serving-fit", columns, params=params).content
    assert deployment.engine.max_num_seqs == 128
    assert not content["own_clock"]
    for name, limit in (("tpot_mean", 0.04), ("latency_mean", 0.04), ("ttft_p90", 0.12)):
        assert abs(content["relative_error"][name]) <= limit


class OneProfile:
    """Profiles of kernels that hold one deployment."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int, int]] = []

    def step_times(
        self, model: str, gpu: str, *, tensor: int = 1, data: int = 1, weights: str = "as-named"
    ) -> StepTimes:
        self.asked.append((model, gpu, tensor, data))
        return Profile()


def test_it_calibrates_profiles_of_kernels_where_it_is_told_to() -> None:
    path = shared_data(f"vllm-runs/{RUN}.jsonl")
    spec = get("serving-fit")
    info, count, stream = events(path, spec.columns)
    workload = WorkloadInfo(id="w", name="w", anchored=info.anchored, events=count)
    profiles = OneProfile()
    inputs = Inputs(job_id="", workload=workload, goal=Goal(), events=stream, profiles=profiles)
    params = {"meta": meta_of(RUN), "gpu": "rtxpro6000", "step_times": "profiles"}
    content = load_agent(spec)(inputs, spec.parse_params(params), QuietContext()).content
    assert profiles.asked == [("meta-llama/Llama-3.1-8B", "rtxpro6000", 1, 1)]
    assert content["calibration"]["source"] == "profile"
    assert set(content["calibration"]["factors"]) >= {"tokens", "kv", "step_s"}
    # Kernels of another model on another GPU: what factors can mend, they mend.
    assert abs(content["relative_error"]["tpot_mean"]) < 0.04
    meanings = [row[1] for row in content["section"]["tables"][1]["rows"]]
    assert "multiple of what depends on KV tokens" in meanings
    with pytest.raises(InsufficientData) as lacks:
        fitted(path, RUN, step_times="profiles")
    assert lacks.value.needs == ["pip install netra[gpu-profiles]"]


def test_the_chapter_has_its_figures_and_charts() -> None:
    content = fitted(shared_data(f"vllm-runs/{RUN}.jsonl"), RUN)
    section = msgspec.convert(content["section"], Section)
    assert section.status == "ok"
    errors = content["relative_error"]
    assert f"latency {errors['latency_mean'] * 100:+.1f} %" in section.says
    assert [f.value for f in section.figures[::2]] == list(errors.values())
    assert [f.value for f in section.figures[1::2]] == list(content["carry_forward_error"].values())
    assert all(f.n == 150 and f.method and f.source for f in section.figures)
    assert [c.id for c in section.charts] == [
        *("serving-fit-ttft", "serving-fit-latency"),
        *("serving-fit-tpot-quantiles", "serving-fit-ttft-quantiles"),
    ]
    log, _ = load(RUN)
    (mark,) = section.charts[0].marks
    assert mark.at == pytest.approx(log.arrival_s[150] - log.arrival_s[0], abs=1e-5)
    assert len(msgspec.json.encode(content)) < 100_000


def test_small_logs_and_wrong_records_are_refused_with_what_is_missing(tmp_path: Path) -> None:
    rows = rows_of(RUN)
    small = written(tmp_path / "small.jsonl", rows[:40])
    with pytest.raises(InsufficientData, match="20 finished requests") as lacks:
        fitted(small, RUN)
    assert "at least 50 finished requests" in lacks.value.needs[0]
    path = shared_data(f"vllm-runs/{RUN}.jsonl")
    with pytest.raises(InvalidInput, match="no usable max_num_seqs"):
        fitted(path, RUN, meta={"engine_kwargs": {"model": "Qwen/Qwen3-8B"}})
    with pytest.raises(InvalidInput, match="nothing says how the engine was set"):
        fitted(path, RUN, meta=None)
    with pytest.raises(InvalidInput, match="which GPU"):
        fitted(path, RUN, gpu=None)
    with pytest.raises(NotFound, match="no specification of the GPU 'abacus'"):
        fitted(path, RUN, gpu="abacus")
    with pytest.raises(InvalidInput, match="its log and its record"):
        fitted(path, RUN, predict=[{}])
    with pytest.raises(InsufficientData, match="300 requests have finished, not 301"):
        fitted(path, RUN, until_completion=301)


def test_the_gpu_is_what_the_record_says_it_is() -> None:
    run = "rtx4090-llama-3.1-8b"
    content = fitted(shared_data(f"vllm-runs/{run}.jsonl"), run, gpu=None)
    assert (content["gpu"], content["kv_tokens"]) == ("rtx4090", 41_408)


def test_requests_of_one_token_have_no_pace_and_no_figure_of_it(tmp_path: Path) -> None:
    rows = rows_of(RUN)
    for row in rows:
        row |= {"output_toks": 1, "last_token_ts": row["first_token_ts"]}
    content = fitted(written(tmp_path / "one.jsonl", rows), RUN)
    assert content["relative_error"]["tpot_mean"] is None
    section = msgspec.convert(content["section"], Section)
    assert [f.status for f in section.figures[:2]] == ["insufficient_data"] * 2


def test_times_that_cannot_be_are_unknown_and_counted(tmp_path: Path) -> None:
    rows = sorted(rows_of(RUN), key=lambda row: row["arrival_time"])
    clean = fitted(written(tmp_path / "clean.jsonl", rows), RUN)
    for row in (rows[7], rows[200]):
        last = row["last_token_ts"]
        row |= {"last_token_ts": row["first_token_ts"], "first_token_ts": last}
    swapped = fitted(written(tmp_path / "swapped.jsonl", rows), RUN)
    assert (clean["disordered"], swapped["disordered"]) == (0, 2)
    assert (swapped["fitted_requests"], swapped["scored_with_times"]) == (149, 149)
    assert swapped["relative_error"]["tpot_mean"] == pytest.approx(
        clean["relative_error"]["tpot_mean"], abs=0.01
    )
    assert "2 requests have tokens before their queue" in swapped["section"]["says"]


def test_all_tokens_at_once_are_no_pace(tmp_path: Path) -> None:
    rows = rows_of(RUN)
    rows[3]["last_token_ts"] = rows[3]["first_token_ts"]
    content = fitted(written(tmp_path / "flat.jsonl", rows), RUN)
    assert content["disordered"] == 0
    assert abs(content["relative_error"]["tpot_mean"]) < 0.05


def test_requests_that_do_not_fit_are_counted_over_the_whole_log() -> None:
    with pytest.raises(InvalidInput, match=r"\d\d+ of 300 requests can never be served") as wrong:
        fitted(shared_data(f"vllm-runs/{RUN}.jsonl"), RUN, num_gpu_blocks=50, block_size=16)
    log, _ = load(RUN)
    held = log.input_tokens + log.output_tokens - 1
    assert wrong.value.errors[0].where == f"request {held.argmax() + 1} of 300 by arrival"
    assert str(wrong.value).startswith(str(int((held > 800).sum())))


def test_a_gpu_or_model_other_than_the_records_is_refused() -> None:
    run = "rtx4090-llama-3.1-8b"
    path = shared_data(f"vllm-runs/{run}.jsonl")
    with pytest.raises(InvalidInput) as wrong:
        fitted(path, run, gpu="h100")
    (problem,) = wrong.value.errors
    assert (problem.where, problem.got) == ("gpu", "h100")
    assert problem.expected == "rtx4090 (NVIDIA GeForce RTX 4090)"
    with pytest.raises(InvalidInput, match=r"Qwen/Qwen3-8B is not meta-llama/Llama-3\.1-8B"):
        fitted(path, run, model="Qwen/Qwen3-8B")
    crossed = meta_of(run) | {"model": "Qwen/Qwen3-8B"}
    with pytest.raises(InvalidInput) as wrong:
        fitted(path, run, meta=crossed)
    assert wrong.value.errors[0].where == "engine_kwargs.model"
    with pytest.raises(InvalidInput, match="no transfer between GPUs") as wrong:
        fitted(
            shared_data(f"vllm-runs/{RUN}.jsonl"),
            RUN,
            predict=[{"ts": "2026-01-01T00:00:00Z", "input_tokens": 9, "output_tokens": 9}],
            predict_meta=meta_of(run),
        )
    assert wrong.value.errors[0].where == "predict_meta.hardware.device_name"


@pytest.mark.parametrize(
    "device",
    [
        "NVIDIA RTX PRO 6000 Blackwell Server Edition",
        "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
        "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
        "NVIDIA GH200 480GB",
        "",
        None,
    ],
)
def test_a_device_that_is_not_known_or_the_same_never_refuses(device: str | None) -> None:
    meta = meta_of(RUN) | {"hardware": {"device_name": device}}
    params = get("serving-fit").parse_params({"meta": meta, "gpu": "rtxpro6000"})
    assert isinstance(params, ServingFitParams)
    assert fitted_deployment(params, None).steps.origin.gpu == "rtxpro6000"


def test_weights_beyond_the_memory_are_refused_with_both_sizes() -> None:
    run = "rtx4090-llama-3.1-8b"
    meta = meta_of(run) | {"model": None}
    meta["engine_kwargs"] |= {"model": "Qwen/Qwen3-32B"}
    with pytest.raises(InsufficientData, match=r"6\d\.\d GB, and rtx4090 has 25\.3 GB"):
        fitted(shared_data(f"vllm-runs/{run}.jsonl"), run, meta=meta)


def test_shares_that_no_gpu_reaches_are_said_and_not_passed_on() -> None:
    # The log of a model of 8 billion weights, said to be of one of 32.
    meta = meta_of(RUN) | {"model": None}
    meta["engine_kwargs"] |= {"model": "Qwen/Qwen3-32B"}
    content = fitted(shared_data(f"vllm-runs/{RUN}.jsonl"), RUN, meta=meta)
    assert "weights" in content["implausible"]
    assert content["calibration"] is None
    assert "Implausible: weights" in content["section"]["says"]
    plain = fitted(shared_data(f"vllm-runs/{RUN}.jsonl"), RUN)
    assert plain["implausible"] == []
    assert "Implausible" not in plain["section"]["says"]


def test_a_percentile_of_one_request_is_withheld_and_its_mean_is_not() -> None:
    content = fitted(shared_data(f"vllm-runs/{RUN}.jsonl"), RUN, split=0.999)
    assert content["scored_requests"] == 1
    assert set(content["relative_error"]) == {"tpot_mean", "latency_mean", "ttft_p90"}
    assert content["relative_error"]["ttft_p90"] is None
    assert content["predicted"]["ttft_p90"] is None
    assert content["ttft_p90_error_of_mean_latency"] is None
    assert content["relative_error"]["latency_mean"] is not None
    section = msgspec.convert(content["section"], Section)
    assert section.figures[4].status == "insufficient_data"
    assert "at least 29 requests" in section.figures[4].needs[0]
    assert "TTFT p90" not in section.says.split("Carrying")[0]
