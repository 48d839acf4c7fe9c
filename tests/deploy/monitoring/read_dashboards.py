"""Run with Grafana's own models: reads dashboards, and fails where something is not understood."""

from __future__ import annotations

import json
import sys
from typing import Any

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard


def lost(given: Any, kept: Any, where: str = "") -> list[str]:
    """What the models dropped or changed."""
    if isinstance(given, dict):
        if not isinstance(kept, dict):
            return [where]
        return [x for key, v in given.items() for x in lost(v, kept.get(key), f"{where}.{key}")]
    if isinstance(given, list):
        if not isinstance(kept, list) or len(kept) != len(given):
            return [where]
        pairs = enumerate(zip(given, kept, strict=True))
        return [x for i, (a, b) in pairs for x in lost(a, b, f"{where}[{i}]")]
    return [] if given == kept else [where]


def main() -> None:
    plugins.register_default_plugins()
    total = 0
    for path in sys.argv[1:]:
        with open(path) as file:
            given = json.load(file)
        model = dashboard.Dashboard.from_json(given)
        kept = json.loads(JSONEncoder(sort_keys=True).encode(model))
        dropped = lost(given, kept)
        if dropped:
            sys.exit(f"{path}: not understood: {', '.join(dropped)}")
        kinds = {type(target).__module__ for panel in model.panels for target in panel.targets}
        if kinds != {"grafana_foundation_sdk.models.prometheus"}:
            sys.exit(f"{path}: queries of other kinds: {sorted(kinds)}")
        total += len(model.panels)
    print(f"{total} panels kept whole by Grafana's models")


if __name__ == "__main__":
    main()
