"""Anyone's models: other names, other styles, functions in forward, operations in call."""

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from torch import nn

import parity
from parity.checks.report import Report
from parity.errors import ParityError, UnmatchedError
from parity.reports.terminal.check import text

from . import own_models as own
from .pairs import randomized

IMAGE = np.random.default_rng(0).standard_normal((2, *own.SHAPE))
TORCH = [own.TorchModules, own.TorchFunctions]
KERAS = [own.keras_functional, own.keras_subclassed, own.keras_renamed]


def checked(torch_model: nn.Module, keras_model: keras.Model, x: np.ndarray = IMAGE, **options: Any) -> Report:
    return parity.check(randomized(torch_model), keras_model, x, **({"weights": "copy"} | options))


def kinds(report: Report) -> list[str]:
    return [layer.kind for layer in report.layers]


@pytest.mark.parametrize("torch_style", TORCH)
@pytest.mark.parametrize("keras_style", KERAS)
def test_every_style_matches_every_other(torch_style: Callable[[], Any], keras_style: Callable[[], Any]) -> None:
    report = checked(torch_style(), keras_style())
    assert report.ok, text(report)
    assert max(layer.inherited.error for layer in report.layers) <= 1e-12
    assert kinds(report).count("relu") == 2
    assert {"add", "max_pool", "flatten", "dense"} <= set(kinds(report))


@pytest.mark.parametrize("keras_style", KERAS)
def test_one_wrong_weight_is_caught(keras_style: Callable[[], Any]) -> None:
    torch_model, keras_model = own.TorchModules(), keras_style()
    parity.copy_weights(randomized(torch_model), keras_model, IMAGE)
    assert parity.check(torch_model, keras_model, IMAGE).ok
    kernel = next(v for v in keras_model.weights if tuple(v.shape) == (3, 3, 8, 8))
    changed = kernel.numpy().copy()
    changed[1, 2, 3, 4] += 1e-4
    kernel.assign(changed)
    report = parity.check(torch_model, keras_model, IMAGE)
    assert not report.ok
    assert report.first == "conv2"


def test_a_missing_activation_is_named() -> None:
    report = checked(own.TorchModules(), own.keras_functional(relu=False))
    assert report.first == "relu"
    assert report.unmatched == (("relu",), ()) or report.unmatched == (("relu#2",), ())
    assert report.cause is not None
    assert report.cause.name == "missing or extra activation"


def test_a_missing_function_is_named() -> None:
    report = checked(own.TorchFunctions(), own.keras_functional(relu=False))
    assert not report.ok
    assert report.first == "relu()", "the module called relu is not what ran"


def test_a_computing_layer_without_partner_differs() -> None:
    report = checked(own.TorchModules(), own.keras_functional(scale=2.0))
    assert not report.ok
    assert report.unmatched[1][0].startswith("rescaling")
    assert report.first is not None
    assert report.first.startswith("rescaling")
    assert report.cause is not None
    assert (report.cause.name, report.cause.path) == ("constant factor", report.first)
    assert "Keras's one with scale 2" in report.cause.evidence


def test_fused_activations_are_steps_with_the_same_bits() -> None:
    torch_model, keras_model = own.torch_plain(), own.keras_plain("softmax")
    before = np.asarray(keras_model(np.moveaxis(IMAGE, 1, -1).astype("float32")))
    report = checked(nn.Sequential(*torch_model, nn.Softmax(1)), keras_model, weights="keep")
    assert kinds(report).count("relu") == 2
    assert "softmax" in kinds(report)
    after = np.asarray(keras_model(np.moveaxis(IMAGE, 1, -1).astype("float32")))
    assert np.array_equal(before, after)


def test_numbers_in_a_sequential_are_no_names() -> None:
    report = checked(own.torch_plain(), own.keras_plain())
    assert report.ok, text(report)
    pairs = {(pair.torch, pair.keras) for pair in report.pairs}
    assert {("2", "1"), ("4", "2"), ("6", "4"), ("1", "0.activation")} <= pairs


def test_seeing_changes_nothing() -> None:
    """Outputs with and without the tracers, bit for bit, for every style; fused activations included."""
    from parity.frameworks.build import side_of

    models = [own.TorchFunctions(), own.keras_functional(), own.keras_subclassed(), own.keras_plain("gelu")]
    models += [keras.Sequential([keras.Input((12, 12, 3)), keras.layers.SeparableConv2D(4, 3, activation="relu")])]
    for model in models:
        seen: list[np.ndarray] = []
        side_of(model).trace(IMAGE, "float32", lambda step, seen=seen: seen.append(step.output))
        plain = np.moveaxis(IMAGE, 1, -1).astype("float32")
        if isinstance(model, keras.Model):
            expected = np.asarray(model(plain, training=False))
        else:
            import torch

            with torch.no_grad():
                expected = model.eval()(torch.from_numpy(IMAGE).float()).numpy()
        expected = np.moveaxis(expected, -1, 1) if expected.ndim > 2 else expected
        assert np.array_equal(seen[-1], expected)


def test_a_method_that_the_user_has_put_on_a_layer_stays() -> None:
    from parity.frameworks.build import side_of

    torch_model, keras_model = own.torch_plain(), own.keras_plain()
    methods = []
    for model, layer, name in (
        (torch_model, torch_model[0], "forward"),
        (keras_model, keras_model.layers[0], "call"),
        (torch_model, torch_model, "forward"),
    ):
        method = getattr(layer, name)
        vars(layer)[name] = lambda *args, method=method, **kwargs: method(*args, **kwargs)
        methods.append((model, layer, name, vars(layer)[name]))
    before = [set(vars(layer)) for model in (torch_model, keras_model) for layer in _all(model)]
    for model, *_ in methods:
        side_of(model).trace(IMAGE, "float32", lambda step: None)
    assert all(vars(layer)[name] is method for _, layer, name, method in methods)
    assert [set(vars(layer)) for model in (torch_model, keras_model) for layer in _all(model)] == before


def _all(model: Any) -> list[Any]:
    return list(model.modules()) if hasattr(model, "modules") else list(model._flatten_layers())


def test_flatten_is_said_and_can_be_at_fault() -> None:
    torch_model, keras_model = own.torch_plain(), own.keras_plain()
    report = checked(torch_model, keras_model)
    assert report.ok
    notes = [layer["note"] for layer in report.to_json()["layers"] if "note" in layer]
    assert any("input axis is permuted" in note for note in notes)
    kernel = keras_model.layers[-1].kernel
    kernel.assign(torch_model[-1].weight.detach().numpy().T)  # as if flatten had one order everywhere
    report = parity.check(torch_model, keras_model, IMAGE)
    assert not report.ok
    assert report.first == "6"


def test_whole_numbers_for_an_embedding() -> None:
    x = np.random.default_rng(0).integers(0, 13, (3, 7))
    report = checked(own.TorchText(), own.keras_text(), x)
    assert report.ok, text(report)
    assert {"embedding", "layer_norm", "silu", "global_avg_pool", "log_softmax"} <= set(kinds(report))


def test_a_shared_layer_and_functions() -> None:
    report = checked(own.TorchOne(), own.keras_one())
    assert report.ok, text(report)
    assert {"upsample", "gelu", "global_avg_pool", "softmax"} <= set(kinds(report))
    assert [layer.path for layer in report.layers if layer.kind == "conv"] == ["conv", "conv#2"]
    report = checked(own.TorchOne(), own.keras_one("sigmoid"))
    assert not report.ok


def test_several_inputs_are_refused_in_one_sentence() -> None:
    x = np.zeros((2, 4))
    with pytest.raises(
        ParityError, match=r"torch model must be called .* its forward takes x, y, while 1 input is given"
    ):
        parity.check(own.TorchTwoInputs(), own.keras_plain(), x)
    with pytest.raises(ParityError, match=r"Keras model must be called .* it takes x, y, while 1 input is given"):
        parity.check(nn.Sequential(nn.Linear(4, 2)), own.keras_two_inputs(), x)


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(UnmatchedError, match=r"only torch has 0 \(lstm, weight_ih"):
        parity.check(nn.Sequential(nn.LSTM(4, 2)), own.keras_plain(), np.zeros((2, 4)))


@pytest.mark.slow
def test_a_model_of_keras_applications() -> None:
    """No name is torch's; padding is done by layers before, and shortcuts run first."""
    import resnet_torch

    torch_model = resnet_torch.resnet50_keras(num_classes=7)
    options = {"weights": None, "classes": 7, "classifier_activation": None, "input_shape": (32, 32, 3)}
    keras_model = keras.applications.ResNet50(**options)
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 32))
    report = parity.check(torch_model, keras_model, x, weights="copy")
    assert report.ok, text(report)
    pairs = {pair.torch: pair.keras for pair in report.pairs}
    assert pairs["layer1.0.conv3"] == "conv2_block1_3_conv"
    assert pairs["layer1.0.downsample.0"] == "conv2_block1_0_conv", "of the same shape, on another branch"
    assert pairs["layer4.2.bn3"] == "conv5_block3_3_bn"
    assert len(pairs) > 130
    keras_model.get_layer("conv1_pad").padding = ((4, 2), (3, 3))
    report = parity.check(torch_model, keras_model, x)
    assert not report.ok
    assert [(entry.path, entry.field) for entry in report.static] == [("conv1", "padding")]


def test_json_lists_the_pairs() -> None:
    document = checked(own.TorchModules(), own.keras_functional()).to_json()
    json.dumps(document, allow_nan=False)
    assert {"torch": "conv1", "keras": "a", "by": "order"} in document["pairs"]
    assert {"torch": "add", "keras": "sum", "by": "order"} in document["pairs"]
    assert document["unmatched"] == {"torch": [], "keras": []}
