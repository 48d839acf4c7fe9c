"""What a GPU costs an hour: offers, each with who asks it, where that stands and when it was read.

Only prices that were found in print are listed; a GPU without one has no price here, and a
tenant's own row supplies it. Prices move by the week: reports print the date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from netra.errors import InvalidInput, Problem

Term = Literal["on-demand", "1-year", "3-year"]


class GpuRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a `gpu` row; its name is the GPU's."""

    #: Of one GPU.
    usd_per_hour: Annotated[float, Meta(gt=0)]
    provider: str = ""
    region: str = ""
    term: Term = "on-demand"
    #: The most that can be had.
    max_gpus: Annotated[int, Meta(ge=1)] | None = None
    #: Where it differs from the maker's figure.
    memory_gb: Annotated[float, Meta(gt=0)] | None = None
    #: Where the price comes from, for the reader: a contract, an invoice.
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class GpuOffer:
    """One price of one GPU."""

    gpu: str
    usd_per_hour: float
    provider: str
    region: str = ""
    term: Term = "on-demand"
    max_gpus: int | None = None
    memory_gb: float | None = None
    #: From when a tenant's row holds, or when the published price was read.
    as_of: date
    source: str

    def as_json(self) -> dict[str, Any]:
        return {
            "gpu": self.gpu,
            "usd_per_gpu_hour": self.usd_per_hour,
            "provider": self.provider,
            "region": self.region,
            "term": self.term,
            "as_of": self.as_of.isoformat(),
            "source": self.source,
        }


def _offers(
    provider: str, source: str, as_of: date, note: str, prices: Mapping[str, float]
) -> list[GpuOffer]:
    return [
        GpuOffer(
            gpu=gpu, usd_per_hour=usd, provider=provider, as_of=as_of, source=f"{source} ({note})"
        )
        for gpu, usd in prices.items()
    ]


#: Found as transcripts of the providers' own price pages, read on the day given.
PUBLISHED: Final[tuple[GpuOffer, ...]] = (
    *_offers(
        "Hyperstack",
        "hyperstack.cloud/gpu-pricing",
        date(2026, 8, 26),
        "on-demand, per GPU; rtxpro6000 is the Server Edition",
        {"b200": 6.00, "h200": 3.99, "h100": 3.20, "rtxpro6000": 1.85, "a100-80gb": 1.60},
    ),
    *_offers(
        "Lambda",
        "lambda.ai/instances",
        date(2026, 9, 20),
        "on-demand, per GPU in instances of eight",
        {"b200": 6.69, "h100": 3.99, "a100-80gb": 2.79},
    ),
    *_offers(
        "RunPod",
        "runpod.io/pricing",
        date(2026, 10, 7),
        "pods, per GPU",
        {"b200": 6.79, "h200": 4.59, "h100": 3.49},
    ),
)


def read_row(name: str, content: Mapping[str, Any], since: date, where: str) -> GpuOffer:
    """The offer that a tenant's `gpu` row makes.

    Raises:
        InvalidInput: the row is not understood; says what is wrong.
    """
    if not name.strip():
        problem = Problem(where=where, problem="not a name", got=name, expected="a GPU's name")
        raise InvalidInput("a supply row names no GPU", [problem])
    try:
        row = msgspec.convert(dict(content), GpuRow)
    except msgspec.ValidationError as e:
        expected = "fields: " + ", ".join(GpuRow.__struct_fields__)
        problem = Problem(where=where, problem=str(e), got=dict(content), expected=expected)
        raise InvalidInput(f"supply row {name!r} is not understood", [problem]) from e
    return GpuOffer(
        gpu=name.strip().lower(),
        usd_per_hour=row.usd_per_hour,
        provider=row.provider or "own price",
        region=row.region,
        term=row.term,
        max_gpus=row.max_gpus,
        memory_gb=row.memory_gb,
        as_of=since,
        source=f"own price from {since}" + (f" ({row.note})" if row.note else ""),
    )
