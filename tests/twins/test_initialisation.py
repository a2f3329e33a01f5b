"""Both packages draw their weights from the same distributions: mean, variance and shape of every layer's."""

from collections.abc import Iterator
from math import prod
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import resnet_keras
import resnet_torch

from .helpers import keras_layers, parametrised, shallow, torch_layers

SIGMAS = 5.0  # of each estimate; the seeds are fixed, so a test passes always or never
PACKAGES = {"torch": resnet_torch, "keras": resnet_keras}
NORMAL, UNIFORM = 3.0, 1.8  # kurtosis


def kernels(package: Any, name: str) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """(path, kernel in torch's axes, bias) of every convolution and dense layer."""
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    model = shallow(package, name, input_size=33)
    layers = torch_layers(model) if package is resnet_torch else keras_layers(model)
    for path, layer in parametrised(layers).items():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            yield path, layer.weight.detach().numpy(), None if layer.bias is None else layer.bias.detach().numpy()
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            kernel, *bias = layer.get_weights()
            yield path, kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T, bias[0] if bias else None


def check_moments(values: np.ndarray, std: float, kurtosis: float, path: str) -> None:
    """Mean 0, the standard deviation and the kurtosis, each within the sampling error of so many values."""
    z, n = values.astype("float64").ravel() / std, values.size
    sixth, eighth = (15.0, 105.0) if kurtosis == NORMAL else (27 / 7, 9.0)  # moments of the two distributions
    assert abs(z.mean()) < SIGMAS * n**-0.5, path
    assert abs((z**2).mean() - 1) < SIGMAS * ((kurtosis - 1) / n) ** 0.5, path
    assert abs((z**4).mean() - kurtosis) < SIGMAS * ((eighth - kurtosis**2) / n) ** 0.5, path
    assert abs((z**6).mean() - sixth) < 0.5 * sixth or n < 50_000, path


def check_limit(values: np.ndarray, limit: float, path: str) -> None:
    """Uniform: never beyond the limit, and of n values the largest within some limits / n of it."""
    largest = np.abs(values).max()
    assert limit * (1 - 20 / values.size) < largest <= limit * (1 + 1e-6), path


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d"])
def test_kaiming_convolutions_and_torchs_dense(package: Any, name: str) -> None:
    for path, kernel, bias in kernels(package, name):
        if path == "fc":
            limit = kernel.shape[1] ** -0.5
            check_moments(kernel, limit / 3**0.5, UNIFORM, path)
            check_moments(bias, limit / 3**0.5, UNIFORM, path)
            check_limit(kernel, limit, path)
            check_limit(bias, limit, path)
        else:
            fan_out = kernel.shape[0] * prod(kernel.shape[2:])
            check_moments(kernel, (2 / fan_out) ** 0.5, NORMAL, path)
            assert bias is None, path


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
@pytest.mark.parametrize("name", ["resnet50_keras", "resnet18_d2l"])
def test_glorot_convolutions_and_dense(package: Any, name: str) -> None:
    for path, kernel, bias in kernels(package, name):
        fans = (kernel.shape[0] + kernel.shape[1]) * prod(kernel.shape[2:])
        check_moments(kernel, (2 / fans) ** 0.5, UNIFORM, path)
        check_limit(kernel, (6 / fans) ** 0.5, path)
        assert not bias.any(), path


def test_the_tails_of_kaiming_are_not_cut() -> None:
    """Keras's usual "truncated_normal" stops at 2.3 standard deviations; of 2.4 million values some pass 4.5."""
    for package in PACKAGES.values():
        (kernel,) = (kernel for path, kernel, _ in kernels(package, "resnet18") if path == "layer4.0.conv2")
        assert np.abs(kernel).max() > 4.5 * (2 / (9 * 512)) ** 0.5


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("name", ["cifar_resnet20", "resnet50", "resnet18_d2l"])
def test_norms_start_as_the_identity_or_the_last_of_a_block_as_zero(name: str, zero: bool) -> None:
    for package in PACKAGES.values():
        model = getattr(package, name)(input_size=33, zero_init_residual=zero)
        last = "bn3" if name == "resnet50" else "bn2"
        layers = torch_layers(model) if package is resnet_torch else keras_layers(model)
        for path, norm in parametrised(layers).items():
            if isinstance(norm, nn.BatchNorm2d):
                values = [tensor.numpy() for tensor in norm.state_dict().values()][:4]
            elif isinstance(norm, keras.layers.BatchNormalization):
                values = norm.get_weights()
            else:
                continue
            gamma = 0.0 if zero and path.endswith(last) else 1.0
            assert [set(value.tolist()) for value in values] == [{gamma}, {0.0}, {0.0}, {1.0}], path


def test_two_builds_differ_and_a_seed_repeats() -> None:
    for package in PACKAGES.values():
        first, second = ({path: kernel for path, kernel, _ in kernels(package, "cifar_resnet20")} for _ in range(2))
        assert all(np.array_equal(first[path], second[path]) for path in first)
        same_shape = (first["layer1.0.conv1"], first["layer1.0.conv2"])
        assert not np.array_equal(*same_shape)
