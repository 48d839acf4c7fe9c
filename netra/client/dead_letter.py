"""Dead letters: listed and replayed."""

from __future__ import annotations

from datetime import datetime

from netra.client.call import Awaiting, Blocking, call, paged
from netra.client.request import PREFIX, Request, as_json, get
from netra.schemas.dead_letter import DeadLetter, ReplayAnswer, ReplayRequest
from netra.schemas.job import Job
from netra.schemas.page import Page


class DeadLetterCalls:
    @paged
    def list(
        self,
        *,
        agent: str | None = None,
        error_type: str | None = None,
        job_id: str | None = None,
        batch_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int | None = None,
    ) -> Request[Page[DeadLetter]]:
        """Stages that were given up, replayed or not, newest first; narrowed as `replay_all`."""
        return get(
            "/dead-letters",
            as_json(Page[DeadLetter]),
            agent=agent,
            error_type=error_type,
            job_id=job_id,
            batch_id=batch_id,
            since=since.isoformat() if since else None,
            until=until.isoformat() if until else None,
            limit=page_size,
        )

    @call
    def get(self, dead_letter_id: str) -> Request[DeadLetter]:
        """One letter, with its whole error."""
        return get(f"/dead-letters/{dead_letter_id}", as_json(DeadLetter))

    @call
    def replay(self, dead_letter_id: str) -> Request[Job]:
        """Runs the letter's job again from where it failed; answers with the job."""
        return Request(
            method="POST",
            path=f"{PREFIX}/dead-letters/{dead_letter_id}/replay",
            read=as_json(Job),
        )

    @call
    def replay_all(self, wanted: ReplayRequest) -> Request[ReplayAnswer]:
        """Runs the jobs of all letters that meet the filter again; call it again while `more`."""
        return Request(
            method="POST",
            path=f"{PREFIX}/dead-letters/replay",
            read=as_json(ReplayAnswer),
            json=wanted,
            repeatable=True,
        )


class DeadLetters(DeadLetterCalls, Blocking):
    """The tenant's dead letters."""


class AsyncDeadLetters(DeadLetterCalls, Awaiting):
    """The tenant's dead letters."""
