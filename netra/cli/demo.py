"""`netra demo`: the main job on real input, from an empty folder to a plan."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from netra.cli import demo_stack, demo_workload, output, plan_view
from netra.cli.following import follow
from netra.cli.job_view import failures
from netra.cli.output import count, duration, json_option, print_json
from netra.client import JobRequest, Netra
from netra.embedded.info import StackInfo
from netra.errors import NetraError
from netra.schemas.job import Job
from netra.schemas.report import Report
from netra.schemas.workload import Workload

GOAL = "Cut cost by 20 % at equal quality; p95 latency no worse"
#: By which a demo knows the jobs of earlier ones.
_LABELS = {"made-by": "netra-demo"}


class DemoFailed(NetraError):
    """The demo's job did not succeed."""

    slug = "demo-failed"


@click.command()
@click.option("--home", type=click.Path(file_okay=False), help="The stack's folder.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The report's file.")
@json_option
def demo(home: str | None, out: Path | None, as_json: bool) -> None:
    """Optimize a real workload, from import to plan.

    Starts the one-machine stack, or uses the one that runs; imports the coding-agent sessions
    from NETRA_SHARED_DATA or ../shared/data, or traffic that it generates; submits a full
    optimization job, shows it live, prints the plan, and stops what it started. Everything it
    writes is below its folder (--home; by default `demo` in the stack's usual one), which makes
    later runs quicker. It may be interrupted at any moment and run again.
    """
    with demo_stack.terminated_as_interrupted():
        _Demo(home, out, as_json).run()


@dataclass
class _Demo:
    home: str | None
    out: Path | None
    as_json: bool
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def console(self) -> Console:
        return output.stderr() if self.as_json else output.stdout()

    def run(self) -> None:
        began = time.monotonic()
        with ExitStack() as held:
            stack = self._stack(held)
            netra = held.enter_context(Netra(stack.api_url, stack.api_key))
            workload = self._workload(netra, stack)
            job = self._job(netra, workload)
            report = netra.jobs.report(job.id)
            path = self._save(netra, job, stack)
            self._show(report)
            stopping = time.monotonic()
        self._note("stop", stopping)
        self._note("all", began)
        self._end(stack, job, workload, report, path)

    def _stack(self, held: ExitStack) -> StackInfo:
        if found := demo_stack.running(self.home):
            self._say("stack", f"runs already: {found.api_url}")
            return found
        began = time.monotonic()
        home = demo_stack.demo_home(self.home)
        with self.console.status(f"starting the stack in {home.path}") as status:
            stack = held.enter_context(
                demo_stack.started(
                    home, lambda names: status.update(f"starting {', '.join(names)}")
                )
            )
        held.callback(self._stopping, home.path)
        self._note("stack", began)
        self._say("stack", f"{stack.api_url}, in {home.path}", "stack")
        return stack

    def _stopping(self, home: Path) -> None:
        self.console.print(Text(f"stopping the stack; what it knows stays in {home}", "dim"))

    def _workload(self, netra: Netra, stack: StackInfo) -> Workload:
        began = time.monotonic()
        with self.console.status("looking for traffic") as status:
            source = demo_workload.choose(stack.home)
            status.update(f"importing {source.path.name}")
            answer = demo_workload.bring_in(netra, source, status.update)
        self._note("import", began)
        workload = answer.workload
        said = f"{count(workload.events)} events of {source.said}"
        if answer.ingest and answer.ingest.events == 0:
            said += "; imported before"
        self._say("workload", said, "import")
        return workload

    def _job(self, netra: Netra, workload: Workload) -> Job:
        began = time.monotonic()
        self._say("goal", GOAL)
        submitted = self._submitted(netra, workload)
        if self.as_json:
            job = netra.jobs.wait(submitted.id)
        else:
            job = follow(netra, submitted.id, as_json=False)
        self._note("job", began)
        if job.state != "succeeded":
            why = "; ".join(failures(job)) or "see the logs"
            raise DemoFailed(f"job {job.id} {job.state}: {why}")
        return job

    def _submitted(self, netra: Netra, workload: Workload) -> Job:
        """A new job, or the one that an interrupted demo left: no accepted job is lost."""
        for state in ("running", "queued"):
            for job in netra.jobs.list(state=state, workload_id=workload.id, labels=_LABELS):
                self._say("job", f"{job.id}, of a run that was interrupted, goes on")
                return job
        request = JobRequest(
            workload_id=workload.id, goal=GOAL, pipeline="optimize", labels=_LABELS
        )
        return netra.jobs.submit(request)

    def _save(self, netra: Netra, job: Job, stack: StackInfo) -> Path:
        path = self.out or demo_stack.reports_folder(stack.home) / f"{job.id}.html"
        path.write_text(netra.jobs.report_text(job.id, "html"))
        return path.absolute()

    def _show(self, report: Report) -> None:
        if not self.as_json:
            self.console.print("")
            self.console.print(plan_view.gist(report))
            self.console.print("")

    def _end(
        self, stack: StackInfo, job: Job, workload: Workload, report: Report, path: Path
    ) -> None:
        if self.as_json:
            shown: dict[str, Any] = {
                "workload": workload,
                "job_id": job.id,
                "answer": report.answer,
                "headline": report.headline,
                "recommendations": report.recommendations,
                "report": str(path),
                "home": str(stack.home),
                "seconds": {name: round(s, 3) for name, s in self.seconds.items()},
            }
            print_json(shown)
            return
        self._say("report", str(path))
        self._say("done", f"in {duration(self.seconds['all'])}")

    def _note(self, step: str, began: float) -> None:
        self.seconds[step] = time.monotonic() - began

    def _say(self, what: str, said: str, step: str | None = None) -> None:
        took = f"  ({duration(self.seconds[step])})" if step else ""
        line = Text.assemble((f"{what:<9}", "bold cyan"), said, (took, "dim"))
        self.console.print(line, soft_wrap=True)
