from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from netra import heartbeat
from netra.backup import standing
from netra.backup.standing import Standing
from netra.embedded.home import Home
from netra.heartbeat import Heartbeat
from netra.settings import Database, Health, Settings


def netra(*arguments: str, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "netra.cli.main", "health", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def beats(tmp_path: Path) -> Path:
    for name in ("worker-cpu", "worker-gpu"):
        Heartbeat(Health(folder=str(tmp_path)), name).beat()
    return tmp_path


def test_a_worker_that_beats_is_alive(beats: Path) -> None:
    code, said = netra("worker", NETRA_HEALTH_FOLDER=str(beats))
    assert (code, "worker-cpu" in said, "worker-gpu" in said) == (0, True, True)


def test_one_that_beats_no_more_is_named(beats: Path) -> None:
    old = time.time() - 60
    os.utime(beats / "worker-gpu", (old, old))
    code, said = netra("worker", NETRA_HEALTH_FOLDER=str(beats))
    assert (code, "worker-gpu for 60 s" in said, "worker-cpu" in said) == (1, True, False)
    assert netra("worker", "--pool", "cpu", NETRA_HEALTH_FOLDER=str(beats))[0] == 0
    relaxed = {"NETRA_HEALTH_FOLDER": str(beats), "NETRA_HEALTH_STALE_S": "300"}
    assert netra("worker", **relaxed)[0] == 0


def test_a_process_that_never_beat_is_dead(beats: Path) -> None:
    code, said = netra("scheduler", NETRA_HEALTH_FOLDER=str(beats))
    assert code == 1
    assert str(beats) in said


def test_a_follower_of_the_stores_may_send_one_ingest_for_minutes(beats: Path) -> None:
    at = {"NETRA_HEALTH_FOLDER": str(beats)}
    assert netra("backup", **at)[0] == 1
    Heartbeat(Health(folder=str(beats)), "backup").beat()
    for age_s, code in ((300, 0), (700, 1)):
        then = time.time() - age_s
        os.utime(beats / "backup", (then, then))
        assert netra("backup", **at)[0] == code


def test_a_follower_that_sends_nothing_is_not_well_though_it_beats(beats: Path) -> None:
    at = {"NETRA_HEALTH_FOLDER": str(beats)}
    Heartbeat(Health(folder=str(beats)), "backup").beat()
    now = datetime.now(UTC)
    stuck = Standing(
        pid=os.getpid(),
        destination="/mnt/backups",
        every_s=10,
        reached=now - timedelta(seconds=300),
        failing_since=now - timedelta(seconds=40),
        why="No space left on device",
    )
    standing.write(beats, "backup", stuck)
    code, said = netra("backup", **at)
    assert code == 1
    assert "nothing has got through to /mnt/backups for 40 s" in said
    assert "No space left on device" in said
    assert "300 s ago" in said
    assert netra("backup", "--alive", **at)[0] == 0
    # For some of its intervals it may be a store that comes back.
    standing.write(beats, "backup", replace(stuck, every_s=15))
    assert netra("backup", **at)[0] == 0
    # What another process left there says nothing of this one.
    standing.write(beats, "backup", replace(stuck, pid=1))
    assert netra("backup", **at)[0] == 0


def test_a_follower_is_that_of_its_own_installation(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    Heartbeat(Health(folder=str(Home(homes[0]).beats)), "backup").beat()
    own = {"TMPDIR": str(tmp_path), "NETRA_EMBEDDED_HOME": str(homes[0])}
    assert netra("backup", **own)[0] == 0
    assert netra("backup", "--home", str(homes[1]), **own)[0] == 1
    assert netra("backup", **own | {"NETRA_EMBEDDED_HOME": str(homes[1])})[0] == 1
    # Where a database is named, it is that of whoever follows it, with whatever password.
    url = "postgresql://netra:%s@db.example:5432/%s"
    named = Settings(database=Database(url=url % ("a", "netra")))
    folder, name = standing.place(named, Home(homes[0]))
    assert folder == heartbeat.folder(named.health)
    Heartbeat(Health(folder=str(tmp_path / folder.name)), name).beat()
    assert netra("backup", **own, DATABASE_URL=url % ("b", "netra"))[0] == 0
    assert netra("backup", **own, DATABASE_URL=url % ("a", "other"))[0] == 1


def test_a_follower_that_has_ended_is_not_waited_for(beats: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (beats / "backup").write_text(str(gone.pid))
    code, said = netra("backup", NETRA_HEALTH_FOLDER=str(beats))
    assert code == 1
    assert f"by pid {gone.pid}, which has ended" in said


def test_what_an_earlier_run_left_is_not_taken_for_a_process_that_hangs(beats: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    old = time.time() - 11_860
    (beats / "worker-gpu").write_text(str(gone.pid))
    os.utime(beats / "worker-gpu", (old, old))
    assert netra("worker", NETRA_HEALTH_FOLDER=str(beats))[0] == 0, "the cpu worker lives"
    code, said = netra("worker", "--pool", "gpu", NETRA_HEALTH_FOLDER=str(beats))
    assert code == 1
    assert f"left there 11860 s ago by pid {gone.pid}, which has ended" in said
    assert str(beats) in said


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
        self.wfile.write(b"the database is away")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield str(server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_api_is_asked_where_the_settings_say(port: str) -> None:
    where = {"NETRA_API_HOST": "0.0.0.0", "NETRA_API_PORT": port}
    assert netra("api", **where)[0] == 0
    code, said = netra("api", "--ready", **where)
    assert code == 1
    assert "503: the database is away" in said


def test_an_api_that_does_not_answer_is_dead() -> None:
    code, said = netra("api", NETRA_API_PORT="1")
    assert code == 1
    assert "no answer" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("which", ["worker", "backup"])
def test_a_probe_loads_next_to_nothing(beats: Path, which: str) -> None:
    Heartbeat(Health(folder=str(beats)), "backup").beat()
    code = (
        "import sys; from netra.cli.main import main\n"
        f"try: main(['health', '{which}'])\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx', 'rich', 'numpy', 'sqlalchemy', 'celery', 'psycopg', 'redis'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NETRA_HEALTH_FOLDER": str(beats)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
