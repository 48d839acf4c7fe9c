"""Values written as text, in a command line or a table's cell."""

from __future__ import annotations

import json
from typing import Any


def value(text: str) -> Any:
    """JSON where it is JSON, a list where there are commas, else the text itself.

    `0.5` → 0.5, `true` → True, `1000,10000` → [1000, 10000], `a,b` → ["a", "b"], `lru` → "lru".
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    return [value(part.strip()) for part in text.split(",")] if "," in text else text
