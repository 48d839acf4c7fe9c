#!/usr/bin/env python3
"""Enqueues the jobs of a manifest: `scripts/enqueue_bulk.py MANIFEST`, as `netra batch submit`."""

from __future__ import annotations

import sys

from netra.cli.main import main

if __name__ == "__main__":
    main(["batch", "submit", *sys.argv[1:]])
