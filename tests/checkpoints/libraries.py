"""Other libraries' models with random weights, from which tests of conversion and of checks are made."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import torch

import resnet_keras
import resnet_torch
from parity.checkpoints.source import read_source
from parity.frameworks.keras.side import KerasSide
from parity.frameworks.torch.side import TorchSide

BOUND = 1e-12
OPERATORS = torch.library.Library("torchvision", "FRAGMENT")


def library(name: str) -> ModuleType:
    """Import an oracle, or skip and say why."""
    for operator in ("nms", "qnms"):  # torchvision describes them, and has none that fits a CPU build of torch
        if not hasattr(torch.ops.torchvision, operator):
            OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name} is no oracle here, it cannot be imported: {error}")


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.ndim == 1:
            low, high = (0.5, 1.5) if name.endswith(("weight", "running_var")) else (-0.3, 0.3)
            tensor.uniform_(low, high, generator=generator)
    return model.eval().double()


def randomised_keras(model: keras.Model) -> keras.Model:
    draw = np.random.default_rng(0)
    for variable in model.weights:
        if len(variable.shape) == 1:
            low, high = (0.5, 1.5) if variable.name in ("gamma", "moving_variance") else (-0.3, 0.3)
            variable.assign(draw.uniform(low, high, variable.shape))
    return model


def gap(actual: Any, expected: Any) -> float:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def image() -> np.ndarray:
    """float64 that float32 holds exactly: a functional Keras model rounds its input to float32 in every policy."""
    return np.random.default_rng(1).standard_normal((2, 3, 64, 64), dtype="f4").astype("f8")


def our_outputs(path: Path, model: str | None = None) -> dict[str, np.ndarray]:
    """What both of our models answer with a checkpoint's weights, in float64."""
    found = read_source(path, model)
    name, options = found.architecture.name, found.architecture.options
    ours = getattr(resnet_torch, name)(**options).eval().double()
    side = TorchSide(ours)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        twin = getattr(resnet_keras, name)(**options)
    finally:
        keras.config.set_dtype_policy(before)
    for canonical, tensor in found.tensors.items():
        side.load(canonical, tensor.value)
        KerasSide(twin).load(canonical, tensor.value)
    with torch.no_grad():
        outputs = {"torch": ours(torch.from_numpy(image())).numpy()}
    return outputs | {"keras": np.asarray(twin(image().transpose(0, 2, 3, 1), training=False))}


def torch_output(model: torch.nn.Module, pick: Any = lambda output: output) -> np.ndarray:
    with torch.no_grad():
        return pick(model(torch.from_numpy(image()))).numpy()


HUB: dict[str, dict[str, Any]] = {
    "resnet18": {"block_type": "basic_block", "stackwise_num_blocks": [2, 2, 2, 2]},
    "resnet50": {"block_type": "bottleneck_block", "stackwise_num_blocks": [3, 4, 6, 3]},
}
