"""What a Keras model's own code makes of tensors has the line that it is made at, whatever makes it."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from parity.frameworks.build import side_of
from parity.frameworks.keras.operators import MODULES
from parity.models.steps import Step

HERE = Path(__file__)
TEXT = HERE.read_text().splitlines()
OPERATIONS = {
    "sum": lambda x: x + 1.0,  # sum
    "turned": lambda x: 2.0 - x,  # turned
    "index": lambda x: x[..., ::-1],  # index
    "chosen": lambda x: ops.where(x > 0, x, 0.5 * x),  # chosen
    "scan": lambda x: ops.cumsum(x, -1),  # scan
}


class Model(keras.Model):
    def __init__(self, operation: Any) -> None:
        super().__init__()
        self.operation, self.last = operation, layers.Dense(2, name="last")

    def call(self, x: Any) -> Any:
        return self.last(self.operation(x))


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_has_its_line(name: str) -> None:
    model = Model(OPERATIONS[name])
    x = np.random.default_rng(0).standard_normal((2, 6)).astype(np.float32)
    model(x)
    steps: dict[str, Step] = {}
    before = [vars(getattr(keras.src.backend, module)).copy() for module in MODULES]
    side_of(model).trace(x, "float64", lambda step: steps.setdefault(step.key, step) and None)
    called = steps["last<0"].called[0]
    assert (called.path, TEXT[called.line - 1].rpartition("# ")[2]) == (str(HERE), name)
    assert [vars(getattr(keras.src.backend, module)) for module in MODULES] == before
