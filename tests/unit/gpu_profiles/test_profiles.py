"""The adapter on the real package: what it refuses, how well its tables say what it says."""

from __future__ import annotations

import importlib.metadata
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netra.analysis.serving.step_source import StepTimes
from netra.errors import InsufficientData, NotFound
from netra.gpu_profiles import installed
from netra.gpu_profiles.engine import Deployed, Engine
from netra.gpu_profiles.lazily import InstalledProfiles
from netra.gpu_profiles.profiles import GpuProfiles
from netra.gpu_profiles.silicon import architecture_of, measurements
from netra.gpu_profiles.steady import steady_ms
from netra.gpu_profiles.tabulating import sampled, table_of
from tests.unit.gpu_profiles.conftest import needs_package

MODEL = "openai/gpt-oss-120b"


@needs_package
@pytest.mark.parametrize("model", ["someone/Unknown-7B", "", "../../etc/passwd", "/tmp"])
def test_a_model_that_does_not_ship_is_refused_first(
    profiles: GpuProfiles, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "sdk", lambda: pytest.fail("the package was asked"))
    with pytest.raises(NotFound) as caught:
        profiles.step_times(model, "h100")
    assert "Qwen/Qwen3-32B" in str(caught.value.errors[0].expected)


@needs_package
def test_a_gpu_without_profile_is_refused(profiles: GpuProfiles) -> None:
    with pytest.raises(NotFound, match="rtx4090"):
        profiles.step_times("Qwen/Qwen3-32B", "rtx4090")


@needs_package
def test_a_deployment_without_data_says_so() -> None:
    with pytest.raises(InsufficientData, match="no measured kernels of Qwen/Qwen3-32B") as caught:
        Engine(Deployed(model="Qwen/Qwen3-32B", gpu="h100", tensor=3))
    assert "the roofline instead" in caught.value.needs


def test_without_the_package_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(InsufficientData) as caught:
        InstalledProfiles().step_times(MODEL, "h100")
    assert "pip install netra[gpu-profiles]" in caught.value.needs[0]


@needs_package
def test_a_table_says_what_the_package_says() -> None:
    engine = Engine(Deployed(model=MODEL, gpu="h100", tensor=2, expert_tensor=2))
    table = table_of(sampled(engine), max_tokens=8192, max_sequences=300)
    for sequences, context in ((1, 500), (30, 1000), (100, 3000), (250, 700)):
        tabulated = table.step_s(
            tokens=sequences, sequences=sequences, kv_tokens=sequences * context, pairs=0
        )
        assert tabulated == pytest.approx(engine.decode_ms(sequences, context) / 1e3, rel=0.05)
    for length in (700, 2300, 7900):
        tabulated = table.step_s(tokens=length, sequences=1, kv_tokens=0, pairs=length**2 / 2)
        assert tabulated == pytest.approx(engine.prefill_ms(1, length) / 1e3, rel=0.08)


@needs_package
def test_beyond_the_grid_times_go_on() -> None:
    engine = Engine(Deployed(model=MODEL, gpu="h100", tensor=2, expert_tensor=2))
    table = table_of(sampled(engine), max_tokens=40_000, max_sequences=3000)
    at = table.tokens_s
    assert float(np.diff(at).min()) >= 0
    assert at[32_768] == pytest.approx(engine.prefill_ms(512, 64) / 1e3, rel=0.1)
    assert table.sequences_s[0] == 0


@needs_package
def test_a_measured_model_is_corrected_and_a_new_one_is_not(profiles: GpuProfiles) -> None:
    seen: StepTimes = profiles.step_times(MODEL, "h100", tensor=2)
    new = profiles.step_times("Qwen/Qwen3-30B-A3B", "h100")
    assert new.factor == 1.0
    assert "not corrected" in new.origin.detail
    assert "uncorrected" in new.origin.error.basis
    assert seen.origin.source == "aiconfigurator"
    assert MODEL in seen.origin.error.basis
    assert 0 < seen.origin.error.tpot < new.origin.error.tpot
    assert seen.kv_tokens() > 100_000
    table = seen.tabulate(max_tokens=512, max_sequences=64)
    raw = table_of(profiles.step_times(MODEL, "h100", tensor=2).arrays,
                   max_tokens=512, max_sequences=64)  # fmt: skip
    factor = table.tokens_s / raw.tokens_s
    assert np.allclose(factor, factor[0])
    assert abs(math.log(factor[0])) < 0.5


@needs_package
def test_the_second_time_it_is_read_from_disk(
    profiles: GpuProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = profiles.step_times("Qwen/Qwen3-8B", "h200").tabulate(max_tokens=99, max_sequences=9)
    again = GpuProfiles(profiles._store._folder)
    monkeypatch.setattr(
        "netra.gpu_profiles.profiles.Engine", lambda deployed: pytest.fail("computed again")
    )
    monkeypatch.setattr(
        "netra.gpu_profiles.correcting.fit_corrector", lambda *a: pytest.fail("fitted again")
    )
    second = again.step_times("Qwen/Qwen3-8B", "h200").tabulate(max_tokens=99, max_sequences=9)
    assert np.array_equal(first.tokens_s, second.tokens_s)
    assert np.array_equal(first.kv_s, second.kv_s)


class _Line:
    """A server whose steps take 2 ms, and 1 ms more for every 1,000 tokens of prompts."""

    def decode_ms(self, sequences: int, context: int) -> float:
        return 2.0

    def mixed_ms(self, prompt_tokens: int, decodes: int, input_: int, output: int) -> float:
        return 2.0 + prompt_tokens / 1000


def test_a_steady_server_reads_the_prompts_of_others() -> None:
    engine: Any = _Line()
    assert steady_ms(engine, 1, 1000, 100) == (3.0 + 1.0, 2.0)
    # Ten others in a hundred steps, each 1 ms longer.
    assert steady_ms(engine, 11, 1000, 100) == (3.0 + 1.0, pytest.approx(2.1))
    # Two chunks of at most 8,192 tokens.
    ttft, tpot = steady_ms(engine, 11, 16_384, 100)
    assert ttft == pytest.approx(2 * (2 + 8.192) + 1)
    assert tpot == pytest.approx(2 + 10 / 100 * 2 * 8.192)


@needs_package
def test_clean_measurements_are_of_one_node_and_do_not_repeat() -> None:
    rows = measurements()
    assert 2000 < len(rows) < 3619
    assert all(1 <= row.gpus <= 8 and row.deployed.gpu != "gb200" for row in rows)
    assert all(row.concurrency % row.deployed.data == 0 for row in rows)
    same = {
        (row.configuration[:3], row.input_tokens, row.output_tokens, row.concurrency,
         round(row.ttft_ms, 1), round(row.tpot_ms, 2))
        for row in rows
    }  # fmt: skip
    assert len(same) == len(rows)


@needs_package
def test_names_of_one_architecture() -> None:
    names = ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V3", "nvidia/DeepSeek-V3.1-NVFP4")
    assert len({architecture_of(name) for name in names}) == 1
    assert architecture_of("Qwen/Qwen3-235B-A22B-FP8") == architecture_of("Qwen/Qwen3-235B-A22B")
    assert architecture_of("deepseek-ai/DeepSeek-V3.2") != architecture_of(names[0])
    assert Path(installed.folder()).is_dir()
