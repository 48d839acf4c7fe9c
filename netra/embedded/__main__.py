"""`python -m netra.embedded --home FOLDER`: the stack without a terminal (`netra up --detach`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from netra import settings
from netra.embedded.home import Home
from netra.embedded.processes import ALL
from netra.embedded.stopping import on_signals
from netra.embedded.supervisor import Stack
from netra.errors import NetraError
from netra.logging import configure


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m netra.embedded")
    options.add_argument("--home", type=Path, required=True)
    options.add_argument("--only", nargs="*", default=list(ALL), help="processes to start")
    given = options.parse_args()
    configure("supervisor", settings.of_process().logging)
    stack = Stack(Home(given.home), components=given.only)
    on_signals(stack.ask_to_stop)
    try:
        stack.start()
        stack.wait()
        if stack.failure:
            raise stack.failure
    except NetraError as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
