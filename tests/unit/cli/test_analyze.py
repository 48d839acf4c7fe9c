"""`netra analyze` on files, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Four requests; the last two were sent at one moment, and the file has them in this order."""
    path = tmp_path / "trace.jsonl"
    requests = [(0, [1, 2]), (1_000, [1, 3]), (2_000, [4]), (2_000, [4, 5])]
    lines = [
        {
            "timestamp": ms,
            "input_length": 512 * len(blocks),
            "output_length": 7,
            "hash_ids": blocks,
        }
        for ms, blocks in requests
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_json_is_one_document_and_nothing_else(run: Run, trace: Path) -> None:
    result = run(
        ["analyze", "caching", str(trace), "--param", "capacities=1,2", "--json"],
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["hit_ratio"]["lru"] == {"1": 1 / 7, "2": 2 / 7, "unlimited": 2 / 7}
    assert (content["references"], content["distinct"]) == (7, 5)
    assert result.stderr == ""


def test_rows_that_repeat_an_event_id_are_counted_and_said(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text(
        "event_id,ts,input_tokens\n"
        "a,2026-01-01T00:00:00Z,1\nb,2026-01-01T00:00:01Z,2\na,2026-01-01T00:00:02Z,30\n"
    )
    result = run(["analyze", "profile", str(path), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["figures"]["input_tokens"]["value"] == 3
    assert "note: 1 row repeats the event_id of an earlier row" in " ".join(result.stderr.split())


def test_people_get_the_finding_its_figures_and_tables(run: Run, trace: Path) -> None:
    result = run(["analyze", "caching", str(trace), "--param", "capacities=2"])
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.replace("\u00a0", " ").split())
    assert said.startswith("Prefix caches: No prefix cache can hit more than 28.6 %")
    assert "Hit ratio by capacity and eviction policy" in said
    assert "S3-FIFO" in said


def test_an_agent_without_a_chapter_shows_what_it_left(run: Run, trace: Path) -> None:
    result = run(["analyze", "profile", str(trace)])
    assert result.exit_code == 0, result.output
    assert "Requests" in result.stdout


class TestOut:
    @pytest.mark.parametrize("ending", ["html", "md", "json"])
    def test_the_finding_is_written_with_its_charts(
        self, run: Run, trace: Path, tmp_path: Path, ending: str
    ) -> None:
        out = tmp_path / f"caches.{ending}"
        result = run(["analyze", "caching", str(trace), "--out", str(out), "--json"])
        assert result.exit_code == 0, result.output
        written = out.read_text()
        assert "Prefix caches" in written
        assert "hit ratio by capacity and eviction policy" in written
        assert ("<svg" in written) == (ending == "html")
        assert "No change is recommended" not in written

    def test_what_is_missing_is_written_too(self, run: Run, trace: Path, tmp_path: Path) -> None:
        out = tmp_path / "money.md"
        assert run(["analyze", "prompt-cache", str(trace), "--out", str(out)]).exit_code == 0
        assert "needs model" in out.read_text()

    @pytest.mark.parametrize(
        ("agent", "out", "said"),
        [
            ("caching", "caches.pdf", ".html, .md, .json"),
            ("profile", "profile.html", "is no chapter"),
            ("caching", "no/such/folder/a.html", "cannot write"),
        ],
    )
    def test_what_cannot_be_written_is_said(
        self, run: Run, trace: Path, tmp_path: Path, agent: str, out: str, said: str
    ) -> None:
        result = run(["analyze", agent, str(trace), "--out", str(tmp_path / out)])
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.split())


def test_what_the_file_lacks_is_an_answer(run: Run, trace: Path) -> None:
    result = run(["analyze", "prompt-cache", str(trace), "--json"])
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert (content["status"], content["needs"]) == ("insufficient_data", ["model"])
    shown = run(["analyze", "prompt-cache", str(trace)])
    assert "insufficient_data" in shown.stdout


def test_a_start_anchors_the_trace(run: Run, trace: Path) -> None:
    given = ["--start", "2026-05-01T09:30:00Z", "--format", "mooncake", "--json"]
    result = run(["analyze", "triage", str(trace), *given])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["span"]["start"] == "2026-05-01T09:30:00Z"


def test_an_agent_without_events_runs_too(run: Run, trace: Path) -> None:
    result = run(["analyze", "noop", str(trace), "--param", "ticks=3", "--json"])
    assert json.loads(result.stdout) == {"ok": True, "attempts": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nobody"], "expected one of: backtest, caching"),
        (["caching", "--param", "capacities"], "NAME=VALUE"),
        (["caching", "--param", "capacities=0"], "capacities"),
        (["caching", "--param", "size=3"], "size"),
        (["caching", "--format", "no-such-format"], "no-such-format"),
    ],
)
def test_what_is_wrong_is_said_on_standard_error(
    run: Run, trace: Path, arguments: list[str], says: str
) -> None:
    agent, *options = arguments
    result = run(["analyze", agent, str(trace), *options])
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""


def test_a_file_that_is_not_there_or_not_a_trace_is_refused(run: Run, tmp_path: Path) -> None:
    assert run(["analyze", "caching", str(tmp_path / "none.csv")]).exit_code == 2
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n")
    result = run(["analyze", "caching", str(broken), "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["status"] == 422
