"""Every named variant is one function in both frameworks, at odd and even sizes, a hundred times below the line."""

from typing import Any

import numpy as np
import pytest

import parity
import parity.checks.memory
import parity.reports.terminal.check
import resnet_keras
import resnet_torch

from .families import randomize

QUICK = ("cifar_resnet20", "cifar_plain20", "resnet18_d2l", "plain18", "resnext50_32x4d", "resnet50_keras")
SIZES = {"odd and even": (33, 32), "even and odd": (48, 49)}
DISAGREEMENT = 1e-12  # of the layer's scale, in float64


def check_variant(name: str, size: tuple[int, int], gradients: bool = False) -> None:
    torch_model: Any = getattr(resnet_torch, name)()
    keras_model: Any = getattr(resnet_keras, name)()
    x = np.random.default_rng(1).standard_normal((2, torch_model.config.in_channels, *size)).astype(np.float32)
    randomize(torch_model, x)
    report = parity.check(torch_model, keras_model, x, weights="copy", gradients=gradients)
    assert report.ok, parity.reports.terminal.check.text(report)
    assert not gradients or sum(layer.gradient is not None for layer in report.layers) > len(report.layers) / 2
    worst = max(report.layers, key=lambda layer: layer.inherited.error)
    assert worst.inherited.error <= DISAGREEMENT, (worst.path, worst.inherited.error)


@pytest.mark.parametrize("name", QUICK)
def test_variant(name: str) -> None:
    check_variant(name, SIZES["odd and even"])


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", list(resnet_torch.VARIANTS))
def test_every_variant(name: str, size: tuple[int, int]) -> None:
    check_variant(name, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(resnet_torch.VARIANTS))
def test_every_variant_has_the_same_gradients(name: str) -> None:
    check_variant(name, SIZES["odd and even"], gradients=True)


@pytest.mark.parametrize("name", ["cifar_resnet20", "resnet18_d2l"])
def test_weights_there_and_back_are_the_same_bits(name: str) -> None:
    first, last = getattr(resnet_torch, name)(), getattr(resnet_torch, name)()
    between = getattr(resnet_keras, name)()
    parity.copy_weights(first, between)
    parity.copy_weights(between, last)
    theirs = last.state_dict()
    for key, value in first.state_dict().items():
        if not key.endswith("num_batches_tracked"):  # a counter that Keras has not
            assert np.array_equal(value.numpy(), theirs[key].numpy()), key


def test_watching_changes_nothing() -> None:
    torch_model, keras_model = resnet_torch.cifar_resnet20(), resnet_keras.cifar_resnet20()
    x = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    parity.copy_weights(torch_model, keras_model)
    seen: dict[str, Any] = {}
    before = [np.asarray(keras_model(x.transpose(0, 2, 3, 1))), torch_output(torch_model, x)]
    for side in (parity.checks.memory.side_of(torch_model), parity.checks.memory.side_of(keras_model)):
        side.trace(x.astype(np.float64), "float32", lambda step, side=side: seen.update({side.framework: step.output}))
    assert np.array_equal(seen["keras"], before[0])
    assert np.array_equal(seen["torch"], before[1])
    parity.check(torch_model, keras_model, x)
    after = [np.asarray(keras_model(x.transpose(0, 2, 3, 1))), torch_output(torch_model, x)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert all("call" not in vars(layer) for layer in keras_model._flatten_layers())
    assert all("forward" not in vars(module) for module in torch_model.modules())


def torch_output(model: Any, x: Any) -> Any:
    import torch

    model.eval()
    with torch.no_grad():
        return model(torch.from_numpy(x)).numpy()
