"""One thing that `netra doctor` looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from netra.embedded import given, info, runfile
from netra.embedded.home import Home
from netra.errors import NetraError
from netra.settings import Settings

State = Literal["ok", "warn", "fail", "skip"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    state: State
    #: What was found; for `warn` and `fail` the cause.
    found: str
    #: What to do about it; empty when there is nothing to do.
    mend: str = ""
    #: The check whose finding explains this one; empty: it is wrong by itself, or not wrong.
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is examined."""

    home: Home
    #: With the URLs of the stack that runs in `home`, where the settings name none.
    settings: Settings
    stack: info.StackInfo | None
    running: bool
    #: The API that somebody names; empty: the stack's, or the one of this host.
    api_url: str = ""

    @property
    def elsewhere(self) -> bool:
        """Whether an installation is examined that no stack of this machine's is: in a pod, say."""
        s = self.settings
        named = (s.database.url, s.redis.url, s.clickhouse.url, self.api_url)
        return not self.running and any(named)

    @property
    def wants_gpu_worker(self) -> bool:
        """Whether the stack here has a gpu worker, or, where none runs, would have one."""
        if self.running:
            return "worker-gpu" in runfile.read(self.home).processes
        return not self.elsewhere


#: Looks at one thing, or at several that come together.
Examination = Callable[[Subject], Iterator[Check]]


def subject(home: Home, settings: Settings, api_url: str = "", *, chosen: bool = True) -> Subject:
    """What is examined: the stack that runs in `home`, else what settings name.

    Args:
        chosen: somebody named the home. Else stores that settings name come before a stack of
            other stores that runs where stacks run by default.
    """
    stack = info.of_home(home, settings)
    running = runfile.is_running(home)
    if stack and running and not chosen and _names_others(settings, stack):
        running = False
    if stack and running:
        urls = (stack.database_url, stack.redis_url, stack.clickhouse_url)
        settings = given.with_urls(settings, dict(zip(given.VARIABLES, urls, strict=True)))
    return Subject(home=home, settings=settings, stack=stack, running=running, api_url=api_url)


def _names_others(settings: Settings, stack: info.StackInfo) -> bool:
    named = (settings.database.url, settings.redis.url, settings.clickhouse.url)
    return all(named) and named != (stack.database_url, stack.redis_url, stack.clickhouse_url)


def guarded(examination: Examination, on: Subject) -> list[Check]:
    """The checks of one examination; an error in it is a failed check, not the end of the others.

    What it found before the error is kept.
    """
    name = examination.__name__.replace("_", " ")
    checks: list[Check] = []
    try:
        checks.extend(examination(on))
    except NetraError as e:
        checks.append(Check(name=name, state="fail", found=str(e), mend=_MEND))
    except Exception as e:  # a broken driver or file must not hide what the other checks say
        found = f"{type(e).__name__}: {e}".strip()
        checks.append(Check(name=name, state="fail", found=found, mend=_MEND))
    return checks


_MEND = "read the message; the processes' logs are in the home's folder logs/"
