"""How much memory processes really take.

Linux counts a page that several processes share in parts (proportional set size), so that sums
over processes are right; elsewhere it is the resident size, which counts the page in each.
"""

from __future__ import annotations

import psutil


def tree_bytes(pid: int) -> int | None:
    """Memory of a process and all its descendants; None when there is no such process."""
    try:
        root = psutil.Process(pid)
        return sum(own_bytes(p.pid) for p in (root, *root.children(recursive=True)))
    except psutil.Error:
        return None


def own_bytes(pid: int) -> int:
    """Memory of one process, without its descendants; 0 when it is gone."""
    try:
        process = psutil.Process(pid)
        try:
            full = process.memory_full_info()
            return getattr(full, "pss", 0) or full.rss
        except psutil.AccessDenied:  # another user's: only its resident size may be read
            return process.memory_info().rss
    except psutil.Error:
        return 0
