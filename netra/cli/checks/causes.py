"""Which finding explains which: a fault is reported once, and what follows from it as such."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netra.cli.checks.check import Check

_STORES = ("postgres", "valkey", "clickhouse")
_CLOCKS = tuple(f"{store} clock" for store in _STORES)

#: A cause, and what may be wrong because of it, nearest cause first: the first one that failed
#: explains. A `*` at the end stands for any rest.
_EXPLAINS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("settings", ("*",)),
    ("disk*", (*_STORES, "api", "postgres *", "valkey *")),
    ("machine clock", _CLOCKS),
    ("gpu", ("worker-gpu", "workers gpu")),
    ("postgres", ("api", "worker*", "scheduler", "leases", "flower")),
    ("valkey", ("api", "worker*", "flower")),
    ("clickhouse", ("api",)),
    ("postgres migrations", ("api", "worker*", "scheduler", "leases", "migrate")),
    ("worker-cpu", ("workers cpu",)),
    ("worker-gpu", ("workers gpu",)),
    ("postgres transactions", ("leases", "scheduler")),
    ("scheduler", ("leases",)),
)


def explained(checks: Sequence[Check]) -> list[Check]:
    """The checks; those that are wrong because of another say which in `because`."""
    wrong = {check.name for check in checks if check.state in ("warn", "fail")}
    return [
        msgspec.structs.replace(check, because=_cause(check.name, wrong))
        if check.name in wrong
        else check
        for check in checks
    ]


def roots(checks: Sequence[Check]) -> list[Check]:
    """What is wrong by itself."""
    return [c for c in checks if c.state in ("warn", "fail") and not c.because]


def _cause(name: str, wrong: set[str]) -> str:
    for pattern, symptoms in _EXPLAINS:
        if any(_fits(name, symptom) for symptom in symptoms):
            causes = sorted(w for w in wrong if _fits(w, pattern) and w != name)
            if causes:
                return causes[0]
    return ""


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
