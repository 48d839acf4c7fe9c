"""Models of event batches as codes: a model is what its provider calls it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from netra.agents.columns import Codes, Vocabulary

#: Provider (None: the trace does not say) and model, as the trace names them.
Model = tuple[str | None, str]


class ModelCodes:
    """A code for each pair of provider and model, in order of appearance."""

    def __init__(self) -> None:
        #: What the codes stand for.
        self.names: list[Model] = []
        self._providers = Vocabulary()
        self._models = Vocabulary()
        self._codes: dict[tuple[int, int], int] = {}

    def encode(self, batch: pa.RecordBatch) -> Codes:
        """The code of each row, -1 where the model is unknown; shape (rows,)."""
        providers = self._providers.encode(batch, "provider").astype(np.int64)
        models = self._models.encode(batch, "model")
        pairs, of_row = np.unique((models + 1) | (providers + 1) << 32, return_inverse=True)
        low = 0xFFFFFFFF
        codes = [self._code((pair >> 32) - 1, (pair & low) - 1) for pair in pairs.tolist()]
        return np.array(codes, np.int32)[of_row]

    def _code(self, provider: int, model: int) -> int:
        if model < 0:
            return -1
        if (provider, model) not in self._codes:
            named = self._providers.texts[provider] if provider >= 0 else None
            self._codes[provider, model] = len(self.names)
            self.names.append((named, self._models.texts[model]))
        return self._codes[provider, model]


def model_name(model: Model) -> str:
    """`provider/model`, or the model alone."""
    return "/".join(part for part in model if part)
