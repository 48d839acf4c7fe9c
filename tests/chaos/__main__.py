"""Faults in a seeded order while jobs run; at the end the stores are asked whether all is well.

    python -m tests.chaos [--hosts] [--seed N] [--jobs N] [--each N] [--gap SECONDS] [--only WORD …]

The last line is one JSON object; the exit code is 0 if nothing was lost, doubled or missing, and
every stage whose process was killed ran again within its lease and two seconds.
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.chaos import network
from tests.chaos.faults import FAULTS, possible
from tests.chaos.hosts import HOST_FAULTS, Hosts, hosts, late_writes
from tests.chaos.run import run
from tests.chaos.stack import harness

#: What a stage may need to run again beyond its lease, seconds.
_BEYOND_LEASE_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--each", type=int, default=3, help="faults of every kind")
    parser.add_argument("--gap", type=float, default=6.0, help="mean seconds between faults")
    parser.add_argument("--only", nargs="*", default=[""], help="words of the faults to make")
    parser.add_argument("--hosts", action="store_true", help="several hosts, in namespaces (root)")
    given = parser.parse_args()
    if given.hosts and (why := network.missing()):
        sys.exit(why)
    with hosts() if given.hosts else harness() as made:
        known = (*FAULTS, *HOST_FAULTS) if given.hosts else FAULTS
        faults = [f for f in possible(made, known) if any(word in f.name for word in given.only)]
        answer = run(
            made, faults, seed=given.seed, jobs=given.jobs, each=given.each, gap_s=given.gap
        )
        if isinstance(made, Hosts):
            answer["doubled"] += late_writes(made)
        bound_s = made.settings.queue.lease_s + _BEYOND_LEASE_S
    worst = answer["worst_recovery_s"]
    late = worst is not None and worst > bound_s
    if late:
        print(f"a stage ran again only {worst} s after the kill; {bound_s:.0f} s are allowed")
    print(json.dumps(answer))
    sys.exit(1 if late or answer["lost"] or answer["doubled"] or answer["gaps"] else 0)


if __name__ == "__main__":
    main()
