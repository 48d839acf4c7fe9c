"""Where validated jobs enter: one transaction, then their facts go out.

All submissions of the process come through here, so that concurrent ones could share a commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from psycopg_pool import AsyncConnectionPool

from netra.api.outgoing import Outgoing
from netra.engine.submit import Draft, Submitted, submit
from netra.errors import Conflict, Problem
from netra.store.postgres import AsyncConnection, checkout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from netra.store.queue import FactMessage

#: Jobs written by one statement.
_AT_ONCE = 1000


class Intake:
    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], outgoing: Outgoing) -> None:
        self.pool = pool
        self.outgoing = outgoing

    async def submit(self, draft: Draft) -> Submitted:
        """Writes one job that depends on nothing else in the database.

        Raises:
            Conflict: its idempotency key was used with another body.
        """
        async with checkout(self.pool) as connection:
            (submitted,), facts = await submit(connection, [draft])
        _check_body(submitted, "Idempotency-Key", draft)
        self.outgoing.send(facts)
        return submitted

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Entry]:
        """For jobs that are written together, or with what they depend on: all or nothing."""
        facts: list[FactMessage] = []
        async with checkout(self.pool) as connection, connection.transaction():
            yield Entry(connection, facts)
        self.outgoing.send(facts)


class Entry:
    """An open transaction that takes jobs."""

    def __init__(self, connection: AsyncConnection, facts: list[FactMessage]) -> None:
        self.connection = connection
        self._facts = facts

    async def submit(
        self, drafts: Sequence[Draft], where: str = "jobs[{}].idempotency_key"
    ) -> list[Submitted]:
        """Writes the drafts.

        Raises:
            Conflict: an idempotency key was used with another body.
        """
        answers: list[Submitted] = []
        for i in range(0, len(drafts), _AT_ONCE):
            submitted, facts = await submit(self.connection, drafts[i : i + _AT_ONCE])
            answers += submitted
            self._facts += facts
        for i, (answer, draft) in enumerate(zip(answers, drafts, strict=True)):
            _check_body(answer, where.format(i), draft)
        return answers


def _check_body(submitted: Submitted, where: str, draft: Draft) -> None:
    if not submitted.same_body:
        problem = Problem(
            where=where,
            problem=f"job {submitted.id} was submitted with this key and another body",
            got=draft.idempotency_key,
            expected="the same body, or another key",
        )
        raise Conflict("the idempotency key was used for another job", [problem])
