"""NumPy's entry."""

from typing import Any

import numpy as np

from parity.errors import ParityError
from parity.frameworks.adapter import Adapter, Trainer
from parity.frameworks.build import build
from parity.frameworks.side import Side

from .side import NumPySide


class NumPyAdapter(Adapter):
    def devices(self) -> list[str]:
        return ["cpu"]

    def side(self, model: Any) -> Side:
        return NumPySide(model)

    def open(self, spec: str, seed: int, device: str, blank: bool) -> Side:
        np.random.seed(seed)  # noqa: NPY002
        return NumPySide(build(spec, NumPySide.framework))

    def trainer(self, spec: str, seed: int, dtype: str) -> Trainer:
        raise ParityError("training needs a framework that differentiates, and NumPy does not; train another")


ADAPTER: Adapter = NumPyAdapter()
