"""Terraform files as trees: `python parse.py FOLDER` prints them as JSON, by path.

Runs in the tool environment of python-hcl2, which Netra's own has not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hcl2


def main(folder: Path) -> None:
    trees = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".tf", ".tfvars"} or path.name.endswith(".backend.hcl"):
            with path.open() as file:
                try:
                    trees[str(path.relative_to(folder))] = hcl2.load(file)
                except Exception as e:  # any parser's error is the answer
                    sys.exit(f"{path}: {e}")
    json.dump(trees, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
