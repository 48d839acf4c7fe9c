"""How soon a stage whose process was killed runs again, by the facts and PostgreSQL's clock."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from netra.errors import NetraError
from netra.settings import Settings
from netra.store import postgres


class Recovery:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: (job, stage, attempt, when it was killed).
        self._killed: list[tuple[str, str, int, float]] = []

    def note(self, pids: Callable[[], list[int]], fault: Callable[[], None]) -> None:
        """Runs the fault, and remembers what the processes ran that it ended."""
        before = pids()
        held = self._held(before)
        fault()
        alive = set(pids())
        self._killed += [row[:4] for row in held if row[4] not in alive]

    def _held(self, pids: list[int]) -> list[tuple[str, str, int, float, int]]:
        try:
            with postgres.connect(self.settings.database, "chaos") as pg:
                rows = pg.execute(
                    "SELECT job_id::text, name, attempt, worker_pid,"
                    " extract(epoch FROM clock_timestamp())::float8 AS at"
                    " FROM stages WHERE state = 'running' AND worker_pid = ANY(%s)",
                    [pids],
                ).fetchall()
        except (NetraError, psycopg.Error):
            return []
        return [(r["job_id"], r["name"], r["attempt"], r["at"], r["worker_pid"]) for r in rows]

    def worst(self) -> float | None:
        """Seconds to the start of the next attempt, the longest; None if nothing was hit."""
        found: list[float] = []
        with postgres.connect(self.settings.database, "chaos") as pg:
            for job, stage, attempt, at in self._killed:
                row = pg.execute(
                    "SELECT extract(epoch FROM min(ts))::float8 AS at FROM facts"
                    " WHERE job_id = %s AND stage = %s AND kind = 'stage.started'"
                    " AND (payload->>'attempt')::int > %s",
                    [job, stage, attempt],
                ).fetchone()
                if row and row["at"] is not None:
                    found.append(row["at"] - at)
        print(f"stages whose process was killed: {len(found)}; again after {found}")
        return round(max(found), 2) if found else None
