"""Measurements of real servers that ship with the package, without those that cannot be used.

Read from the installed package, never copied. What is left out, in this order:

1. servers with separate machines for prompts and decoding, and GB200, whose racks share memory;
2. layouts that contradict themselves: not (tensor x data) GPUs for the experts of a mixture, or a
   concurrency that is not the batch of a rank times its ranks;
3. layouts of more than 8 GPUs, which these machines do not have (tensor and expert ranks were
   multiplied there);
4. repetitions of a measurement: the same architecture, GPU, engine, lengths and concurrency, and
   the same times to 0.1 ms and 0.01 ms; all of them where they claim different layouts.

DeepSeek-R1, V3 and V3.1 are one architecture, and some measurements stand under two of the names.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from netra.gpu_profiles.engine import Deployed
from netra.gpu_profiles.installed import folder, shipped_model

_MOST_GPUS: Final = 8
_DENSE: Final = ("Llama", "Qwen3-32B")
_CONCURRENCY: Final = re.compile(r"silicon_concurrency=(\d+)")
_VERSION: Final = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A server under a constant number of requests."""

    deployed: Deployed
    #: Models of one name have the same matrices.
    architecture: str
    #: Major and minor version of the engine; "" where it is not said.
    version: str
    input_tokens: int
    output_tokens: int
    concurrency: int
    ttft_ms: float
    tpot_ms: float

    @property
    def configuration(self) -> tuple[object, ...]:
        """What is left out together: all loads and versions of one deployment."""
        d = self.deployed
        layout = (d.tensor, d.data, d.expert_tensor, d.expert_ranks)
        return (self.architecture, d.gpu, d.engine, d.gemm, d.experts, *layout)

    @property
    def sequences(self) -> int:
        """Of one rank."""
        return max(1, round(self.concurrency / self.deployed.data))

    @property
    def gpus(self) -> int:
        return self.deployed.tensor * self.deployed.data


def measurements() -> list[Measurement]:
    """The usable ones, in the order of the file.

    Raises:
        InsufficientData: the extra is not installed.
    """
    with (folder() / "systems" / "silicon_sample.csv").open(newline="") as file:
        rows = [r for row in csv.DictReader(file) if (r := _measurement(row)) is not None]
    alike: dict[tuple[object, ...], list[Measurement]] = defaultdict(list)
    for row in rows:
        alike[_identity(row)].append(row)
    return [group[0] for group in alike.values() if len({row.configuration for row in group}) == 1]


def architecture_of(model: str) -> str:
    """One name for all models with the same matrices.

    Raises:
        NotFound: the model ships with no profile.
    """
    if "DeepSeek-R1" in model or ("DeepSeek-V3" in model and "V3.2" not in model):
        return "deepseek-ai/DeepSeek-V3"
    return re.sub(r"-(FP8|NVFP4)$", "", shipped_model(model))


def _identity(row: Measurement) -> tuple[object, ...]:
    d = row.deployed
    load = (row.input_tokens, row.output_tokens, row.concurrency)
    times = (round(row.ttft_ms, 1), round(row.tpot_ms, 2))
    return (row.architecture, d.gpu, d.engine, *load, *times)


def _measurement(row: dict[str, str]) -> Measurement | None:
    """None where the row cannot be used."""
    if row["mode"] != "agg" or row["system"] == "gb200":
        return None
    tensor, data = _whole(row["tp_size"]), _whole(row["attention_dp_size"])
    expert_tensor, expert_ranks = _whole(row["moe_tp_size"]), _whole(row["moe_ep_size"])
    dense = any(name in row["model_path"] for name in _DENSE)
    if not dense and tensor * data != expert_tensor * expert_ranks:
        return None
    if not (data >= 1 and tensor * data * _whole(row["pp_size"]) <= _MOST_GPUS):
        return None
    concurrency = _whole(row["batch_size"]) * data
    said = _CONCURRENCY.search(row["silicon_data_source"])
    if said and int(said[1]) != concurrency:
        return None
    version = _VERSION.search(row["backend_version"])
    return Measurement(
        deployed=Deployed(
            model=row["model_path"],
            gpu=row["system"],
            engine=row["backend"],
            tensor=tensor,
            data=data,
            expert_tensor=1 if dense else expert_tensor,
            expert_ranks=1 if dense else expert_ranks,
            gemm=row["gemm_quant_mode"],
            experts=row["moe_quant_mode"],
        ),
        architecture=architecture_of(row["model_path"]),
        version=version[0] if version else "",
        input_tokens=_whole(row["isl"]),
        output_tokens=_whole(row["osl"]),
        concurrency=concurrency,
        ttft_ms=float(row["silicon_ttft_ms"]),
        tpot_ms=float(row["silicon_tpot_ms"]),
    )


def _whole(text: str) -> int:
    """A count; one where nothing is said."""
    return int(float(text)) if text else 1
