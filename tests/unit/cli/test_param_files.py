"""Parameters that name files on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shared_data import shared_data
from tests.unit.cli.conftest import Run


def runs(name: str) -> tuple[str, str]:
    log, meta = (shared_data(f"vllm-runs/{name}.{end}") for end in ("jsonl", "meta.json"))
    return str(log), str(meta)


def test_a_record_and_another_run_are_read_from_files(run: Run) -> None:
    log, meta = runs("rtxpro6000-llama-3.1-8b")
    other, other_meta = runs("rtxpro6000-qwen3-32b")
    common = ["analyze", "serving-fit", log, "--param", f"meta={meta}", "--json"]
    common += ["--param", "gpu=rtxpro6000"]
    result = run([*common, "--param", "split=0.5"])
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert set(content["relative_error"]) == {"tpot_mean", "latency_mean", "ttft_p90"}
    assert set(content["carry_forward_error"]) == set(content["relative_error"])
    assert {"ttft_p90_error_of_mean_latency", "fit_s"} < set(content)
    cross = [f"predict={other}", f"predict_meta={other_meta}", "link_gbs=16"]
    result = run([*common, *(a for c in cross for a in ("--param", c))])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"] == "Qwen/Qwen3-32B"
    result = run([*common, *(a for c in cross[:2] for a in ("--param", c))])
    assert json.loads(result.stdout)["status"] == "insufficient_data"
    shown = run([*common[:-3], "--param", "gpu=rtxpro6000"])
    assert "Held-out error of the mean latency" in shown.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "is no file that can be read"), ("{", "line 1"), ("[1]", "expected an object")],
)
def test_what_is_no_record_is_refused(
    run: Run, tmp_path: Path, content: str | None, says: str
) -> None:
    log, _ = runs("rtxpro6000-llama-3.1-8b")
    meta = tmp_path / "1,2.json"
    if content is not None:
        meta.write_text(content)
    result = run(["analyze", "serving-fit", log, "--param", f"meta={meta}"])
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_line_that_is_not_json_is_named(run: Run, tmp_path: Path) -> None:
    log, meta = runs("rtxpro6000-llama-3.1-8b")
    lines = Path(log).read_text().splitlines()
    broken = tmp_path / "broken.jsonl"
    broken.write_text("\n".join([*lines[:10], lines[10][:40], *lines[11:]]))
    given = ["--param", f"meta={meta}", "--param", "gpu=rtxpro6000"]
    result = run(["analyze", "serving-fit", str(broken), *given])
    assert result.exit_code == 2
    assert "line 11" in result.stderr
