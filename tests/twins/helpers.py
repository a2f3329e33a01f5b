"""What the model tests share: building, copying weights by path, comparing, and running a fresh Python."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

import resnet_keras
import resnet_torch

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = tuple(resnet_torch.VARIANTS)
WARNINGS = ("-W", "ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15 under NumPy 2, see pyproject.toml
TINY = {"input_size": 33, "num_classes": 7}


@contextmanager
def policy(name: str) -> Iterator[None]:
    """Keras layers made inside take this dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@cache
def blueprint(config: resnet_keras.ResNetConfig) -> keras.Model:
    """The Keras model without values in its weights: all shapes and counts, none of the memory. Not to be changed."""
    with keras.StatelessScope(initialize_variables=False):
        return resnet_keras.ResNet(config)


def small(package: Any, **fields: Any) -> Any:
    """A network of two basic blocks, for what does not depend on the size."""
    row: dict[str, Any] = {"block": "basic", "depths": (1, 1), "widths": (8, 16), "stem": "cifar", "input_size": 33}
    return package.ResNet(package.ResNetConfig(**row | fields))


def shallow(package: Any, name: str, **fields: Any) -> Any:
    """A variant with one block per stage: each kind of layer, but none twice."""
    row = package.VARIANTS[name]
    return package.ResNet(replace(row, depths=(1,) * len(row.depths), **fields))


def torch_blueprint(name: str, **changes: Any) -> nn.Module:
    """The torch model on the "meta" device: all shapes and counts, none of the memory."""
    with torch.device("meta"):
        return getattr(resnet_torch, name)(**changes)


def keras_layers(layer: Any, path: str = "") -> dict[str, Any]:
    """Every layer below `layer` by its dotted attribute path, outside in, in the order it was made."""
    found = {}
    for child in getattr(layer, "layers", []):
        assert getattr(layer, child.name) is child, f"{path}.{child.name} is not an attribute"
        here = f"{path}.{child.name}" if path else child.name
        found |= {here: child, **keras_layers(child, here)}
    return found


def torch_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Every module below `model` by its dotted path."""
    return {path: module for path, module in model.named_modules() if path}


def parametrised(layers: dict[str, Any]) -> dict[str, Any]:
    """The layers that own parameters themselves: convolutions, norms and dense layers."""
    kinds = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.Linear)
    kinds += (keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.Dense)
    return {path: layer for path, layer in layers.items() if isinstance(layer, kinds)}


def randomise(model: nn.Module, seed: int = 0) -> None:
    """Random gamma, beta and statistics of every norm and random biases: at their start they hide swaps."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                tensor.data.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.bias, module.running_mean):
                tensor.data.normal_(0.0, 0.3, generator=generator)
        elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            module.bias.data.normal_(0.0, 0.3, generator=generator)


def copy_weights(source: nn.Module, destination: Any) -> None:
    """Copy torch's weights into the Keras layers at the same paths; every weight of both is used."""
    theirs, ours = parametrised(torch_layers(source)), parametrised(keras_layers(destination))
    assert list(theirs) == list(ours)
    for path, module in theirs.items():
        tensors = [t.detach().numpy() for t in module.state_dict().values() if t.ndim]
        if isinstance(module, nn.Conv2d):
            tensors[0] = tensors[0].transpose(2, 3, 1, 0)
        elif isinstance(module, nn.Linear):
            tensors[0] = tensors[0].T
        ours[path].set_weights(tensors)


def nchw(array: Any) -> np.ndarray:
    """A Keras output in torch's order."""
    array = keras.ops.convert_to_numpy(array)
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def gap(actual: Any, expected: Any) -> float:
    """The greatest difference over the scale of what is expected; infinite where either is not finite."""
    actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
    assert actual.shape == expected.shape, f"{actual.shape} against {expected.shape}"
    if not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        return float("inf")
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def image(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """A random batch (N, C, H, W)."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def run_python(code: str, **environment: str) -> str:
    """Run `code` in a fresh interpreter at the repository's root, warnings as errors, and return what it printed."""
    settings = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"} | environment
    command = [sys.executable, "-W", "error", *WARNINGS, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
