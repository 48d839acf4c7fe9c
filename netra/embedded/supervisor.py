"""Keeps the processes of the one-machine stack running: `Stack`, and `running_stack` for tests."""

from __future__ import annotations

import logging
import os
import secrets as tokens
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from netra import settings as configuration
from netra.embedded import given, identity, lock, ports, processes, runfile, unfinished
from netra.embedded import home as homes
from netra.embedded import info as information
from netra.embedded import secrets as keys
from netra.embedded.child import Child, State, fresh_log
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.errors import NetraError

log = logging.getLogger(__name__)

#: How often the processes are looked at, seconds.
_LOOK_S = 0.1
#: A process that dies this often before it was ever ready keeps the stack from starting.
_HOPELESS_DEATHS = 4

#: Told of every change of a child's state.
Notice = Callable[[Child], None]


class Stack:
    """The processes of one home.

    All of them are started, watched and stopped by one thread. That matters: the kernel ends a
    child when the thread that started it ends (see `launch`).
    """

    def __init__(
        self,
        home: Home,
        *,
        components: Collection[str] = processes.ALL,
        settings: configuration.Settings | None = None,
        notice: Notice = lambda child: None,
        restoring: bool = False,
    ) -> None:
        if unknown := processes.problems(list(components)):
            raise NetraError(f"no such processes: {', '.join(unknown)}")
        self.home = home
        self.children: list[Child] = []
        self._names = components
        self._settings = settings or configuration.current()
        self._notice = notice
        #: Whether it is started by the very restore that has not ended.
        self._restoring = restoring
        self._mark = tokens.token_hex(8)
        self._over = threading.Event()
        self._settled = threading.Event()
        self._failure: NetraError | None = None
        self._state = "starting"
        self._held = ExitStack()
        self._plan: processes.Plan | None = None
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def start(self) -> StackInfo:
        """Starts everything, and returns when all of it is ready.

        Raises:
            AlreadyRunning: another supervisor has this home.
            UnfinishedRestore: what the home holds is a part of what was to be restored.
            StoreUnavailable: a store that settings give does not answer.
            NetraError: it does not start; the message says what, and what it logged. Nothing is
                left running.
        """
        account = homes.prepare(self.home)
        with ExitStack() as held:
            held.enter_context(lock.held(self.home.lock))
            if not self._restoring:
                unfinished.refuse(self.home)
            if set(self._names) - processes.STORES:
                given.refuse_silent(self._settings)
            runfile.end_leftovers(self.home)
            kept = keys.ensure(self.home.secrets)
            keys.write_api_key(self.home.api_key, kept)
            self._plan = processes.Plan(
                home=self.home,
                settings=self._settings,
                secrets=kept,
                ports=ports.choose(self.home.ports, processes.wanted_ports(self._settings)),
                account=account,
            )
            self._held = held.pop_all()
        self._thread.start()
        try:
            self._settled.wait()
        except BaseException:  # Ctrl-C while it starts
            self.stop()
            raise
        if self._failure:
            self._thread.join()
            raise self._failure
        return self.info

    @property
    def stopping(self) -> bool:
        return self._over.is_set()

    @property
    def failure(self) -> NetraError | None:
        """What ended the stack, when nobody asked it to stop."""
        return self._failure

    @property
    def info(self) -> StackInfo:
        """Where its parts are.

        Raises:
            NetraError: it has not been started.
        """
        if self._plan is None:
            raise NetraError("the stack has not been started")
        return information.of_plan(self._plan)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the stack has stopped; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def ask_to_stop(self) -> None:
        """Begins the end, and returns at once. May be called from a signal."""
        self._over.set()

    def stop(self) -> None:
        """Stops everything, in reverse order, and frees the home."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            with self._held:
                try:
                    self._start_groups()
                    if not self._over.is_set():
                        self._state = "running"
                    self._write()
                    self._settled.set()
                    while not self._over.wait(_LOOK_S):
                        self._look()
                finally:
                    self._stop_children()
        except NetraError as e:
            self._failure = e
        except Exception as e:
            log.exception("the supervisor failed")
            self._failure = NetraError(f"the supervisor failed: {e}")
        finally:
            self._settled.set()

    def _start_groups(self) -> None:
        assert self._plan is not None
        self._write()  # the mark, before the first child that carries it
        for group in processes.groups(self._plan, self._names):
            children = [self._child(component.name, component) for component in group]
            for child in children:
                self.children.append(child)
                child.start()
                self._changed(child)
            while not all(c.state in (State.RUNNING, State.DONE) for c in children):
                if self._over.wait(_LOOK_S / 4):
                    return
                self._look()
                for child in children:
                    _give_up_if_hopeless(child)

    def _child(self, name: str, component: processes.Component) -> Child:
        path = self.home.log(name)
        fresh_log(path)
        environment = {**processes.store_environment(), identity.MARK: self._mark}
        return Child(component, path, environment)

    def _look(self) -> None:
        for child in self.children:
            if child.watch():
                self._changed(child)

    def _changed(self, child: Child) -> None:
        self._write()
        self._notice(child)

    def _stop_children(self) -> None:
        self._state = "stopping"
        self._write()
        for group in reversed(processes.GROUPS):
            stopping = [c for c in self.children if c.component.name in group]
            for child in stopping:
                child.ask_to_stop()
            for child in stopping:
                child.finish()
                self._changed(child)
        self._state = "stopped"
        self._write()

    def _write(self) -> None:
        assert self._plan is not None
        runfile.write(
            self.home,
            runfile.Run(
                state=self._state,
                mark=self._mark,
                supervisor=os.getpid(),
                api_url=self._plan.api_url,
                flower_url=self._plan.flower_url,
                given=sorted(self._plan.given),
                addresses={
                    name: given.address(url) for name, url in given.named(self._settings).items()
                },
                processes={
                    c.component.name: runfile.Process(
                        pid=c.pid,
                        began=c.began if c.pid else None,
                        state=c.state.value,
                        restarts=c.restarts,
                        port=c.component.port,
                    )
                    for c in self.children
                },
            ),
        )


def _give_up_if_hopeless(child: Child) -> None:
    if child.state is State.FAILED or child.deaths >= _HOPELESS_DEATHS:
        raise NetraError(
            f"{child.component.name} does not start; the end of its log, {child.log}:\n"
            f"{child.last_lines()}"
        )


@contextmanager
def running_stack(
    home: Path,
    components: Collection[str] = processes.ALL,
    settings: configuration.Settings | None = None,
    *,
    restoring: bool = False,
) -> Iterator[StackInfo]:
    """A stack in `home` for the length of the block."""
    stack = Stack(Home(home), components=components, settings=settings, restoring=restoring)
    try:
        yield stack.start()
    finally:
        stack.stop()
