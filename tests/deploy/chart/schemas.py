"""Kubernetes' own schemas and KEDA's: run by the Python of the tool `kubernetes-validate`.

Reads a list of objects, prints a list with one list of problems for each. KEDA's objects are held
against the models made from its CRDs, with what those would ignore refused.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import kubernetes_validate
from cloudcoil.models.keda import v1alpha1 as keda
from pydantic import BaseModel, ValidationError

VERSION = "1.37"


def main() -> None:
    json.dump([problems(manifest) for manifest in json.load(sys.stdin)], sys.stdout)


def problems(manifest: dict[str, Any]) -> list[str]:
    if manifest["apiVersion"] == "keda.sh/v1alpha1":
        return _keda(manifest)
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    except (
        kubernetes_validate.ValidationError,
        kubernetes_validate.SchemaNotFoundError,
    ) as e:
        return [
            str(getattr(e, "message", e)).splitlines()[0] + f" at {list(getattr(e, 'path', []))}"
        ]
    return []


def _keda(manifest: dict[str, Any]) -> list[str]:
    model = getattr(keda, manifest["kind"])
    try:
        read = model.model_validate(manifest)
    except ValidationError as e:
        return [f"{error['loc']}: {error['msg']}" for error in e.errors()]
    return _unknown(manifest["spec"], read.spec, "spec")


def _unknown(given: Any, read: Any, where: str) -> list[str]:
    """Keys of `given` that the model has no field for; the API server would drop them."""
    if isinstance(given, list) and isinstance(read, list):
        pairs = zip(given, read, strict=True)
        return [p for i, (g, r) in enumerate(pairs) for p in _unknown(g, r, f"{where}[{i}]")]
    if not isinstance(given, dict) or not isinstance(read, BaseModel):
        return []
    fields = {f.alias or n: n for n, f in type(read).model_fields.items()}
    found: list[str] = []
    for key, value in given.items():
        if key not in fields:
            found.append(f"{where}.{key}: KEDA knows no such field")
        else:
            found += _unknown(value, getattr(read, fields[key]), f"{where}.{key}")
    return found


if __name__ == "__main__":
    main()
