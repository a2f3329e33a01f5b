"""A training step compared: matched pairs match, what is planted is caught and named, and models stay as they were."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import torch

import parity
import resnet_keras
import resnet_torch
from tests.causes.faults import Fault
from tests.causes.training_faults import CONV, NORM, TRAINING_FAULTS, detach_branch, detach_shortcut

from .families import layer_at, randomize

V = resnet_torch.VARIANTS
SMALL = {"depths": (1, 2), "widths": (8, 16)}
CONFIGS = {
    "basic": replace(V["cifar_resnet20"], **SMALL),
    "projection": replace(V["cifar_resnet20"], shortcut="C", **SMALL),
    "plain": replace(V["cifar_plain20"], **SMALL),
    "bottleneck": replace(V["resnet50"], depths=(1, 1), widths=(8, 16)),
    "biased": replace(V["resnet50_keras"], depths=(1, 1), widths=(8, 16)),
    "residual": replace(V["resnet18_d2l"], depths=(1, 1), widths=(8, 16)),
    "grouped": replace(V["resnext50_32x4d"], depths=(1, 1), widths=(64, 64), groups=8),
}


def make(family: str, batch: int = 3, seed: int = 0) -> tuple[Any, Any, Any]:
    """A matched pair with random weights, and an input of odd sizes."""
    config = CONFIGS[family]
    return pair(config, (batch, config.in_channels, 19, 18), seed)


def pair(config: Any, shape: tuple[int, ...], seed: int = 0) -> tuple[Any, Any, Any]:
    torch.manual_seed(seed)
    torch_model = resnet_torch.ResNet(config)
    keras_model = resnet_keras.ResNet(resnet_keras.ResNetConfig(**vars(config)))
    x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    randomize(torch_model, x)
    torch_model.train()
    parity.copy_weights(torch_model, keras_model)
    return torch_model, keras_model, x


def worst(report: Any, name: str) -> float:
    return float(max(layer.gradient.worst(name) or 0.0 for layer in report.layers if layer.gradient))


@pytest.mark.parametrize("family", list(CONFIGS))
def test_a_training_step_of_every_block_matches(family: str) -> None:
    report = parity.check(*make(family), gradients=True)
    assert report.ok, parity.reports.terminal.check.text(report)
    assert report.causes == ()
    assert worst(report, "added") < 1e-12


def test_every_parameter_statistic_loss_and_input_is_there() -> None:
    torch_model, keras_model, x = make("biased")
    report = parity.check(torch_model, keras_model, x, gradients=True)
    rows = {layer.path: layer for layer in report.layers if layer.gradient}
    wanted = {name for name in torch_model.state_dict() if not name.endswith("num_batches_tracked")}
    found = {f"{path}.{name}" for path, row in rows.items() for name in row.gradient.tensors}
    assert wanted <= found
    assert next(iter(rows)) == "input"
    assert next(reversed(rows)) == "loss"
    inherited = {f"{path}.{n}": t.inherited for path, row in rows.items() for n, t in row.gradient.tensors.items()}
    for name in (*wanted, "input.input", "loss.loss"):
        assert inherited[name].count > 0
        assert inherited[name].error < 1e-10


def test_json() -> None:
    report = parity.check(*make("basic"), gradients=True)
    document = report.to_json()
    rows = {row["path"]: row["gradient"] for row in document["layers"] if "gradient" in row}
    numbers = {"inherited", "added", "torch", "keras", "difference"}
    assert set(rows["conv1"]) == numbers | {"tensors"}
    assert set(rows["bn1"]["tensors"]) == {"output", "input", "weight", "bias", "running_mean", "running_var"}
    assert all(set(tensor) == numbers for tensor in rows["bn1"]["tensors"].values())
    assert rows["conv1"]["inherited"] < 1e-12
    assert 1e-9 < rows["conv1"]["tensors"]["weight"]["difference"] < 1e-5
    assert "gradient" not in parity.check(*make("basic")).to_json()["layers"][0]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_other_dtypes(dtype: str) -> None:
    report = parity.check(*make("bottleneck"), gradients=True, dtype=dtype)
    assert report.ok, parity.reports.terminal.check.text(report)


def where(torch_model: Any, kind: str) -> list[str]:
    kinds = {CONV: torch.nn.Conv2d, NORM: torch.nn.BatchNorm2d}
    return [path for path, module in torch_model.named_modules() if isinstance(module, kinds[kind])]


@pytest.mark.parametrize("side", ["torch", "keras"])
@pytest.mark.parametrize("fault", TRAINING_FAULTS, ids=lambda fault: fault.name)
def test_faults_of_a_layer(fault: Fault, side: str) -> None:
    torch_model, keras_model, x = make("basic")
    path = where(torch_model, fault.kind)[3]
    fault.plant(layer_at(torch_model if side == "torch" else keras_model, path), side)
    assert parity.check(torch_model, keras_model, x).ok
    report = parity.check(torch_model, keras_model, x, gradients=True)
    assert [layer.path for layer in report.layers if layer.faults] == [path], parity.reports.terminal.check.text(report)
    assert report.first == path
    assert [(cause.name, cause.path) for cause in report.causes] == [(fault.cause, path)], report.causes


@pytest.mark.parametrize("side", ["torch", "keras"])
@pytest.mark.parametrize(
    ("family", "block"), [("basic", "layer2.1"), ("basic", "layer2.0"), ("projection", "layer1.0")]
)
def test_detached_shortcut(family: str, block: str, side: str) -> None:
    torch_model, keras_model, x = make(family)
    detach_shortcut(layer_at(torch_model if side == "torch" else keras_model, block), side)
    report = parity.check(torch_model, keras_model, x, gradients=True)
    faulty = [layer.path for layer in report.layers if layer.faults]
    assert len(faulty) == 1, parity.reports.terminal.check.text(report)
    assert faulty[0].startswith(block + ".")
    assert report.cause is not None
    assert report.cause.name == "missing gradient", report.cause
    title = {"torch": "torch", "keras": "Keras"}[side]
    assert f"in {title}" in report.cause.evidence


@pytest.mark.parametrize("side", ["torch", "keras"])
def test_detached_branch(side: str) -> None:
    torch_model, keras_model, x = make("basic")
    detach_branch(layer_at(torch_model if side == "torch" else keras_model, "layer2.1"), side)
    report = parity.check(torch_model, keras_model, x, gradients=True)
    faulty = [layer.path for layer in report.layers if layer.faults]
    assert len(faulty) == 1, parity.reports.terminal.check.text(report)
    assert faulty[0].startswith("layer2.1.")
    assert report.cause is not None
    assert report.cause.name == "missing gradient", report.cause


def test_the_last_of_several_faults_comes_first() -> None:
    torch_model, keras_model, x = make("basic")
    for path in ("layer1.0.conv1", "layer2.1.conv1"):
        layer_at(keras_model, path).trainable = False
    report = parity.check(torch_model, keras_model, x, gradients=True)
    assert report.first == "layer2.1.conv1"
    assert [cause.path for cause in report.causes] == ["layer2.1.conv1", "layer1.0.conv1"]


def test_frozen_on_both_sides_matches() -> None:
    torch_model, keras_model, x = make("basic")
    torch_model.bn1.eval().requires_grad_(False)
    keras_model.bn1.trainable = False
    report = parity.check(torch_model, keras_model, x, gradients=True)
    assert report.ok, parity.reports.terminal.check.text(report)


def state(torch_model: Any, keras_model: Any) -> tuple[Any, ...]:
    return (
        {name: tensor.numpy().copy() for name, tensor in torch_model.state_dict().items()},
        {name: module.training for name, module in torch_model.named_modules()},
        {name: (p.requires_grad, p.dtype) for name, p in torch_model.named_parameters()},
        {v.path: np.array(keras.ops.convert_to_numpy(v)) for v in keras_model.variables},
        {v.path: (v.dtype, v.trainable, id(v._value)) for v in keras_model.variables},
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", [True, False])
def test_models_stay_as_they_were(mode: bool, dtype: str) -> None:
    torch_model, keras_model, x = make("basic")
    torch_model.train(mode)
    torch_model.conv1.weight.requires_grad_(False)
    keras_model.conv1.trainable = False
    before = state(torch_model, keras_model)
    assert parity.check(torch_model, keras_model, x, gradients=True, dtype=dtype).ok
    np.testing.assert_equal(state(torch_model, keras_model), before)
    assert all(parameter.grad is None for parameter in torch_model.parameters())


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.GaussianNoise(0.5),
        keras.layers.GaussianDropout(0.5),
        keras.layers.SpatialDropout2D(0.5),
        keras.layers.AlphaDropout(0.5),
        keras.layers.ActivityRegularization(0.0),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_draws_otherwise_is_named_and_draws_as_before(layer: Any) -> None:
    before = layer.get_config()
    torch_model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Dropout(0.5))
    keras_model = keras.Sequential([keras.Input((6, 5, 3)), keras.layers.Conv2D(4, 3), layer])
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 5))
    report = parity.check(torch_model, keras_model, x, weights="copy", gradients=True)
    assert not report.ok
    assert report.cause is not None
    assert report.cause.name in ("another dropout", "missing or extra dropout")
    assert layer.get_config() == before


class Doubled(keras.layers.Layer):
    """Returns its input, and twice the gradient."""

    def call(self, x: Any) -> Any:
        return 2 * x - keras.ops.stop_gradient(x)


@pytest.mark.parametrize("doubled", [False, True])
def test_padding_in_front_of_layers_that_the_other_side_has_inside(doubled: bool) -> None:
    """What goes into the layer is padded on one side alone; what comes before has the gradient of both."""
    torch.manual_seed(0)
    ours = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 4, 3, padding=2),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 10 * 10, 5),
    )
    layers = keras.layers
    inputs = keras.Input((15, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(layers.ZeroPadding2D(1)(inputs))
    x = Doubled()(x) if doubled else x
    x = layers.Flatten()(layers.Conv2D(4, 3)(layers.ZeroPadding2D(2)(x)))
    theirs = keras.Model(inputs, layers.Dense(5)(x))
    images = np.random.default_rng(0).standard_normal((2, 3, 15, 16))
    report = parity.check(ours, theirs, images, weights="copy", gradients=True)
    assert report.ok is not doubled
    assert report.first == ("2" if doubled else None), report  # who sends it back


@pytest.mark.parametrize("doubled", [False, True])
def test_a_choice_between_zeros_that_an_activation_takes_back(doubled: bool) -> None:
    """Zeros padded in front of a max pool may win against a ReLU's: the ReLU sends nothing back for either."""
    torch.manual_seed(0)
    pool = torch.nn.MaxPool2d(3, 2, padding=1)
    ours = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), pool, torch.nn.Conv2d(4, 5, 1))
    layers = keras.layers
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    x = Doubled()(x) if doubled else x
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    theirs = keras.Model(inputs, layers.Conv2D(5, 1)(x))
    images = np.random.default_rng(0).standard_normal((2, 3, 12, 12)) - 2  # many windows of zeros alone
    report = parity.check(ours, theirs, images, weights="copy", gradients=True)
    assert report.ok is not doubled, report
    tensors = [each for row in report.layers if row.gradient for each in row.gradient.tensors.values()]
    assert any(each.absorbed for each in tensors) is not doubled
