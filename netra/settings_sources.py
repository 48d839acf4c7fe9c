"""Where settings come from: files, variables, and names that only look like variables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netra.errors import SettingsError

#: Where a client finds the API and how it shows who it is: not this process's settings.
CLIENT_VARIABLES = ("NETRA_API_URL", "NETRA_API_KEY")

#: Names that begin like settings and are none, and where they are read: the one list of them.
#: Any other name below `NETRA_` is refused.
READ_ELSEWHERE = {
    "NETRA_ENV": "netra/settings.py",
    "NETRA_CONFIG": "netra/settings.py",
    **dict.fromkeys(CLIENT_VARIABLES, "netra/cli/connection.py"),
    "NETRA_BOOTSTRAP_API_KEY": "netra/store/migrate.py",
    "NETRA_SHARED_DATA": "netra/cli/demo_workload.py",
    "NETRA_GPU_PROFILES": "netra/gpu_profiles/store.py",
    "NETRA_STACK": "netra/embedded/identity.py",
    **{f"NETRA_WORKER_{name}": "netra/tasks/wake.py" for name in ("ID", "POOL", "DEVICE")},
    **{f"NETRA_FLOWER_{n}": "workers/flower.py" for n in ("HOST", "PORT", "USER", "PASSWORD")},
    **{f"NETRA_{name}": "compose/compose.yaml" for name in ("REGISTRY", "TAG", "SUBNET")},
    "NETRA_TLS_FOLDER": "compose/compose.yaml",
    "NETRA_NAMESPACE": "scripts/dr/recover",
    "NETRA_ROLLOUT_TIMEOUT": "scripts/deploy.sh",
    "NETRA_BACKUP_TIMEOUT": "scripts/ci/backup.sh",
}

#: What Kubernetes adds to a pod for a Service that is called netra-something.
_SERVICE_LINK = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)
#: How alike two names are, from 0 to 1, when one is taken for a misspelt other.
_ALIKE = 0.8


@dataclass(frozen=True, kw_only=True)
class Given:
    """A setting that something names."""

    value: Any
    #: A variable, or the path of a file.
    source: str


#: By group and key. The environment's name belongs to no group: its key is empty.
Gathered = dict[tuple[str, str], Given]


def of_file(path: Path) -> Gathered:
    """What a file names.

    Raises:
        SettingsError: it cannot be read, or is no TOML.
    """
    try:
        read = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise SettingsError(f"{path}: {e}") from e
    found: Gathered = {}
    for group, values in read.items():
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: {group} stands outside of any [group] of settings")
        for key, value in values.items():
            found[group, key] = Given(value=value, source=str(path))
    return found


def unknown(environ: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Variables that begin like Netra's and that nothing reads."""
    names = (v for v in environ if v.startswith("NETRA_") and v not in known)
    return sorted(v for v in names if v not in READ_ELSEWHERE and not _is_link(v, environ[v]))


def refuse(name: str, known: Collection[str], groups: Mapping[str, Collection[str]]) -> None:
    """Raises SettingsError for a variable below `NETRA_` that nothing reads.

    It was meant for Netra, and without it something else would happen than somebody believes.

    Args:
        groups: the keys of each group of settings.
    """
    names = [*known, *READ_ELSEWHERE]
    if meant := _alike(name, names, _ALIKE) or _with_all_words_of(name, names):
        raise SettingsError(f"{name} names no setting; is {meant} meant?")
    for group, keys in groups.items():
        if name.startswith(f"NETRA_{group.upper()}_"):
            raise SettingsError(f"{name} names no setting; {group} has: {', '.join(keys)}")
    nearest = _alike(name, names, 0.0)
    raise SettingsError(
        f"{name} names no setting, and names below NETRA_ are kept for those; the nearest is"
        f" {nearest}; docs/settings.md lists all"
    )


def _alike(name: str, names: Collection[str], least: float) -> str | None:
    from difflib import get_close_matches  # only for those who need it: probes load this module

    return next(iter(get_close_matches(name, names, n=1, cutoff=least)), None)


def _with_all_words_of(name: str, names: Collection[str]) -> str | None:
    """The known name that says the same and more, if there is one only."""
    words = set(name.split("_"))
    found = [known for known in names if words < set(known.split("_"))]
    return found[0] if len(found) == 1 else None


def _is_link(variable: str, value: str) -> bool:
    link = _SERVICE_LINK.search(variable)
    return bool(link) or (variable.endswith("_PORT") and "://" in value)
