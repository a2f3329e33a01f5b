"""What the conversion tests share: checkpoints with random weights, made without a framework where none is needed."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from parity.checkpoints.checkpoint import Labels
from parity.checkpoints.files import write
from parity.checkpoints.recognize import Architecture, expected_shapes
from parity.checkpoints.tensors import Tensor
from parity.convert import main
from parity.models.targets import variants

ROOT = Path(__file__).resolve().parents[2]
SMALL = "cifar_resnet20"


def random_tensors(name: str = SMALL, seed: int = 0, **options: Any) -> dict[str, np.ndarray]:
    """Random float32 arrays by canonical name; variances are positive."""
    draw = np.random.default_rng(seed)
    shapes = Architecture(name, options).shapes
    return {
        key: draw.uniform(0.5, 1.5, shape).astype("f4")
        if key.endswith("running_var")
        else draw.normal(0, 0.1, shape).astype("f4")
        for key, shape in shapes.items()
    }


def save_safetensors(path: Path, tensors: dict[str, np.ndarray], model: str = "") -> Path:
    write(path, [Tensor(name, array) for name, array in tensors.items()], Labels(model))
    return path


def convert(*arguments: Any) -> int:
    """The command, in this process."""
    return main([str(argument) for argument in arguments])


def same(actual: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether both have the same names, types, shapes and bits."""
    return actual.keys() == expected.keys() and all(
        np.asarray(actual[key]).dtype == np.asarray(expected[key]).dtype
        and np.asarray(actual[key]).shape == np.asarray(expected[key]).shape
        and np.asarray(actual[key]).tobytes() == np.asarray(expected[key]).tobytes()
        for key in expected
    )


def all_shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    return {name: expected_shapes(row) for name, row in variants().items()}


PYTHON = sys.executable
