"""Debian roots, and commands in them: in namespaces of their own, as an engine would run them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.deploy.tools import ROOT

CACHE = ROOT / "build" / "images"
#: What an engine lends every process: the names of hosts.
_NAMES = ("/etc/resolv.conf", "/etc/hosts")
#: How this machine's pip reaches its index, lent to a build and gone after it.
_LENT = "/run/lent"
_PIP = Path("/etc/pip.conf")

# Runs as PID 1 of its namespace what follows it, in the root $1, as the user $2.
_ENTER = """
set -eu
root=$1 user=$2 mode=$3; shift 3
[ "$mode" = rw ] || mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" 2>/dev/null || true
while [ "$1" != -- ]; do
    from=${1%%:*} to=$root${1#*:}; shift
    if [ -d "$from" ]; then mkdir -p "$to"; else mkdir -p "$(dirname "$to")"; fi
    [ -e "$to" ] || : >"$to"
    mount --bind "$from" "$to"
done
shift
# What is mounted below stays as it is.
[ "$mode" = rw ] || mount -o remount,bind,ro "$root"
exec /usr/sbin/chroot --userspec="$user" --groups= "$root" "$@"
"""


def debian(release: str, into: Path) -> None:
    """A minimal Debian root, like the official image's; kept as an archive for the next time."""
    key = hashlib.sha256(f"{release} minbase".encode()).hexdigest()[:12]
    kept = CACHE / f"debian-{release}-{key}.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not kept.exists():
        draft = CACHE / f"debian-{release}-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", release, str(draft)]
        _run(command)
        _like_the_official_image(draft, release)
        whole = kept.with_suffix(f".{os.getpid()}")
        _run(["tar", "--create", "--file", str(whole), "--directory", str(draft), "."])
        whole.rename(kept)
        shutil.rmtree(draft)
    into.mkdir(parents=True)
    _run(["tar", "--extract", "--file", str(kept), "--directory", str(into)])


def _like_the_official_image(root: Path, release: str) -> None:
    sources = root / "etc/apt/sources.list"
    # The archive that `debootstrap` took the base from; security updates are beside it.
    archive = sources.read_text().split()[1]
    lines = [
        f"deb {archive} {release} main",
        f"deb {archive} {release}-updates main",
        f"deb {archive}-security {release}-security main",
    ]
    sources.write_text("\n".join(lines) + "\n")
    # Apt keeps neither packages nor an index of them; the slim image has no manuals.
    (root / "etc/apt/apt.conf.d/docker-clean").write_text(
        'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
        'Binary::apt::APT::Keep-Downloaded-Packages "false";\n'
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n'
    )
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text(
        "force-unsafe-io\npath-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n"
        "path-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n"
    )
    for heavy in (
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "var/lib/apt/lists",
        "var/cache/apt",
    ):
        shutil.rmtree(root / heavy, ignore_errors=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)


@contextmanager
def in_memory(folder: Path, room: int = 8 << 30) -> Iterator[None]:
    """Keeps what is written below `folder` in memory, where there is plenty: gone in a moment.

    Roots are tens of thousands of small files, which some disks take minutes to delete.
    """
    if psutil.virtual_memory().available < 1.5 * room:
        try:
            yield
        finally:
            shutil.rmtree(folder)
        return
    _run(["mount", "-t", "tmpfs", "-o", f"size={room},mode=0711", "netra-images", str(folder)])
    try:
        yield
    finally:
        _run(["umount", "--lazy", str(folder)])


def entering(
    root: Path,
    command: Sequence[str],
    *,
    user: str = "0:0",
    folder: str = "/",
    mounts: Mapping[Path, str] | None = None,
    read_only: bool = False,
) -> list[str]:
    """The command line that runs `command` as PID 1 of namespaces of its own in `root`.

    With `read_only` nothing can be written but to what is mounted.
    """
    mode = "ro" if read_only else "rw"
    pairs = [f"{source}:{target}" for source, target in (mounts or {}).items()]
    unshare = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child=KILL"]
    inside = ["/usr/bin/env", "-C", folder, *command]
    return [*unshare, "sh", "-c", _ENTER, "enter", str(root), user, mode, *pairs, "--", *inside]


def name_mounts() -> dict[Path, str]:
    return {Path(name): name for name in _NAMES if Path(name).exists()}


def build_mounts() -> dict[Path, str]:
    mounts = name_mounts()
    if _PIP.exists():
        mounts[_PIP] = f"{_LENT}/pip.conf"
    if certificates := os.environ.get("PIP_CERT"):
        mounts[Path(certificates)] = f"{_LENT}/certificates"
    return mounts


def build_environment() -> dict[str, str]:
    """How this machine's pip reaches its index, as an engine's build arguments would say."""
    own = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    if _PIP.exists():
        own["PIP_CONFIG_FILE"] = f"{_LENT}/pip.conf"
    if "PIP_CERT" in own:
        own["PIP_CERT"] = f"{_LENT}/certificates"
    return {**own, "DEBIAN_FRONTEND": "noninteractive"}


def take_back(root: Path) -> None:
    shutil.rmtree(root / _LENT.lstrip("/"), ignore_errors=True)


def run(
    root: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    user: str = "0:0",
    folder: str = "/",
    mounts: Mapping[Path, str] | None = None,
) -> str:
    """Runs `command` in `root` to its end; what it said.

    Raises:
        RuntimeError: it failed.
    """
    return _run(entering(root, command, user=user, folder=folder, mounts=mounts), environment)


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[-1]!r} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout
