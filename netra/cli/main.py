"""The `netra` command."""

from __future__ import annotations

from typing import Any

import click

from netra import __version__
from netra.cli.lazy import Lazy, LazyGroup
from netra.errors import NetraError

SECTIONS = {
    "Start here": {
        "demo": Lazy("netra.cli.demo:demo", "Optimize a real workload, from import to plan."),
        "analyze": Lazy(
            "netra.cli.analyze:commands",
            "Run AGENT on the events in FILE, in this process: nothing has to run, "
            "nothing is stored.",
        ),
    },
    "The one-machine stack": {
        "up": Lazy(
            "netra.cli.stack:commands",
            "Start the stack: PostgreSQL, Valkey, ClickHouse, API, workers, scheduler, Flower.",
        ),
        "down": Lazy(
            "netra.cli.stack:commands", "Stop the stack, and whatever a crashed one left running."
        ),
        "status": Lazy(
            "netra.cli.stack:commands",
            "Show what runs: state, memory and addresses of every process.",
        ),
        "doctor": Lazy(
            "netra.cli.stack:commands",
            "Check the machine and the stack; for whatever is wrong, say why and what to do.",
        ),
    },
    "Work": {
        "workload": Lazy("netra.cli.workload:workload", "Import and look after workloads."),
        "job": Lazy("netra.cli.job:job", "Submit, follow and look after jobs."),
        "batch": Lazy("netra.cli.batch:batch", "Submit and follow many jobs at once."),
        "report": Lazy("netra.cli.report:report", "Print or save a job's report."),
        "agent": Lazy("netra.cli.catalog:agent", "Show what agents there are."),
        "pipeline": Lazy("netra.cli.catalog:pipeline", "Show what pipelines there are."),
        "tenant": Lazy(
            "netra.cli.tenant:tenant", "Share the pools among tenants: weights and limits."
        ),
        "dead-letter": Lazy(
            "netra.cli.dead_letter:dead_letter", "List, show and replay dead letters."
        ),
    },
    "Operating": {
        "backup": Lazy(
            "netra.cli.backup:backup",
            "Back the stores up, restore them to a point in time, prove that it works.",
        ),
        "health": Lazy(
            "netra.cli.health:health",
            "Say whether a process on this machine is alive: for liveness probes.",
        ),
        "admin": Lazy(
            "netra.cli.admin:admin",
            "Look at and reset connections, queue and memory; make and revoke keys.",
        ),
        "settings": Lazy(
            "netra.cli.settings:settings",
            "Show every setting: value, source, unit, variable.",
        ),
        "smoke-test": Lazy(
            "netra.cli.smoke_test:smoke_test",
            "Run one small job through the whole installation and compare its report with the"
            " truth.",
        ),
    },
    "Processes, one by one": {
        "api": Lazy("netra.cli.process:api", "Run the API."),
        "worker": Lazy("netra.cli.process:worker", "Run a worker of a pool."),
        "scheduler": Lazy("netra.cli.process:scheduler", "Run a scheduler."),
    },
}


class Root(LazyGroup):
    """Says what went wrong in a person's words, and with an exit code that programs read."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NetraError as e:
            from netra.cli.output import fail

            ctx.exit(fail(e, as_json=ctx.meta.get("netra.json", False)))
        except KeyboardInterrupt:
            click.echo("\ninterrupted", err=True)
            # As a shell reports a program that SIGINT ended.
            ctx.exit(130)


@click.group(
    cls=Root,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="netra")
def main() -> None:
    """Netra optimizes LLM workloads: plans computed from your own traffic, every number traceable.

    Commands that talk to the API find it by --url and --api-key, else by NETRA_API_URL and
    NETRA_API_KEY, else they use the one-machine stack that runs here.

    Exit codes: 0 done; 1 failed; 2 the input was wrong; 4 what was followed goes on, but the API
    did not come back in time; 130 interrupted.
    """


if __name__ == "__main__":
    main()
