"""`fold_batch_norm`: the same function without its norms, in both packages, and what must not be folded."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import parity
import resnet_keras
import resnet_torch
from resnet_keras import ResNetConfig

from .folding import BOUND, CONFIGS, assert_folds_to_the_same, kinds, nets, pixels, row, run_torch
from .helpers import copy_weights, gap, image, keras_layers, policy, randomise, small, torch_layers


@pytest.mark.parametrize("config", CONFIGS)
def test_a_folded_network_is_the_same_function(config: ResNetConfig) -> None:
    ours, theirs = nets(config, "float64")
    folded = assert_folds_to_the_same(ours, theirs, pixels(config))
    assert not {"BatchNorm2d", "BatchNormalization"} & (kinds(folded[0]) | kinds(folded[1]))
    assert list(torch_layers(folded[0])) == list(torch_layers(ours))
    assert list(keras_layers(folded[1])) == list(keras_layers(theirs))


@pytest.mark.parametrize("config", CONFIGS)
def test_the_folded_networks_match_layer_by_layer(config: ResNetConfig) -> None:
    """Their weights are the same bits: float64 arithmetic, rounded once."""
    ours, theirs = nets(config, "float32")
    folded, twin = resnet_torch.fold_batch_norm(ours), resnet_keras.fold_batch_norm(theirs)
    parity.assert_parity(folded, twin, pixels(config))
    for path, layer in keras_layers(twin).items():
        if isinstance(layer, keras.layers.Conv2D):
            conv = folded.get_submodule(path)
            np.testing.assert_array_equal(conv.weight.permute(2, 3, 1, 0), layer.kernel, err_msg=path)
            np.testing.assert_array_equal(conv.bias, layer.bias, err_msg=path)
            assert conv.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("form", ["ResNeXtA", "ResNeXtB", "ResNeXtC", "Bottleneck", "BasicBlock", "Residual"])
def test_a_block_alone(form: str) -> None:
    """The norm after form a's sum takes no convolution's output, and stays."""
    options: tuple[Any, ...] = (64, True, 2, 6) if form == "Residual" else (6, 64, 2)
    options_by_name = {"groups": 2} if form.startswith("ResNeXt") else {}
    ours = getattr(resnet_torch, form)(*options, **options_by_name).double().eval()
    randomise(ours)
    x = image(2, 6, 9, 8)
    with policy("float64"):
        theirs = getattr(resnet_keras, form)(*options, **options_by_name)
        theirs(x.transpose(0, 2, 3, 1))
    copy_weights(ours, theirs)
    folded, twin = assert_folds_to_the_same(ours, theirs, x)
    left = [path for path, layer in torch_layers(folded).items() if isinstance(layer, nn.BatchNorm2d)]
    assert left == [path for path, layer in keras_layers(twin).items() if "Norm" in type(layer).__name__]
    assert left == (["bn3"] if form == "ResNeXtA" else [])


def faulty(fault: str, kernel: np.ndarray, bias: Any, norm: list[np.ndarray], groups: int) -> list[np.ndarray]:
    """The folded kernel (kH, kW, in / groups, out) and bias, computed apart from the packages, with a fault."""
    gamma, beta, mean, variance, eps = norm
    scale = gamma / np.sqrt(variance + (0.0 if fault == "eps ignored" else eps))
    if fault == "variance for deviation":
        scale = gamma / (variance + eps)
    before = 0.0 if bias is None or fault == "bias dropped" else bias
    shift = beta + (before + mean if fault == "mean's sign" else before - mean) * scale
    if fault == "wrong axis" and kernel.shape[2] == kernel.shape[3]:
        return [kernel * scale[:, None], shift]
    if fault == "wrong group order":
        scale = scale.reshape(groups, -1).T.ravel()
    return [kernel * scale, shift]


def faulty_torch(fault: str) -> Callable[..., Any]:
    def weights(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Any:
        statistics = [t.detach().numpy() for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]
        kernel, bias = conv.weight.permute(2, 3, 1, 0).detach().numpy(), conv.bias.detach().numpy()
        kernel, bias = map(torch.from_numpy, faulty(fault, kernel, bias, [*statistics, norm.eps], conv.groups))
        return kernel.permute(3, 2, 0, 1), bias

    return weights


def faulty_keras(fault: str) -> Callable[..., Any]:
    def weights(conv: Any, norm: Any) -> Any:
        kernel, bias, *statistics = (keras.ops.convert_to_numpy(weight) for weight in (*conv.weights, *norm.weights))
        return faulty(fault, kernel, bias, [*statistics, norm.epsilon], conv.groups)

    return weights


FAULTS = ["eps ignored", "variance for deviation", "bias dropped", "mean's sign", "wrong axis", "wrong group order"]


@pytest.mark.parametrize("fault", ["none", *FAULTS])
@pytest.mark.parametrize(
    ("package", "weights"),
    [(resnet_torch, faulty_torch), (resnet_keras, faulty_keras)],
    ids=["torch", "keras"],
)
def test_a_planted_fault_is_caught(package: Any, weights: Any, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = row("resnext50_32x4d", bias=True)
    ours, theirs = nets(config, "float64")
    monkeypatch.setattr(package.fold, "folded_weights", weights(fault))
    if fault == "none":
        assert_folds_to_the_same(ours, theirs, pixels(config))
    else:
        with pytest.raises(AssertionError):
            assert_folds_to_the_same(ours, theirs, pixels(config))


def test_a_fault_in_both_packages_shows_against_the_unfolded_network() -> None:
    """What is folded is compared by `parity.check` with its twin; with the original of the other side too."""
    ours, theirs = nets(row("cifar_resnet20"), "float32")
    x = pixels(ours.config)
    folded = resnet_torch.fold_batch_norm(ours)
    wrong = resnet_keras.fold_batch_norm(theirs)
    wrong.layer2.layers[0].conv1.bias.assign(wrong.layer2.layers[0].conv1.bias * 1.0001)
    report = parity.check(folded, wrong, x)
    assert not report.ok
    assert report.first == "layer2.0.conv1"


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"scale": False, "center": False}], ids=str)
def test_a_norm_without_gamma_or_beta(options: dict[str, bool]) -> None:
    x = np.random.default_rng(0).normal(size=(3, 9, 8, 6))
    with policy("float64"):
        layers = resnet_keras.layers
        block = resnet_keras.base.Sequential(layers.Conv2D(4, 3), layers.BatchNormalization(momentum=0.0, **options))
    block(x, training=True)
    folded = resnet_keras.fold_batch_norm(block)
    assert gap(folded(x), block(x)) <= BOUND
    plain = nn.Sequential(nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4, affine=False, momentum=1.0)).double()
    plain(torch.from_numpy(x.transpose(0, 3, 1, 2)))
    twin = resnet_torch.fold_batch_norm(plain.eval())
    assert gap(run_torch(twin, x.transpose(0, 3, 1, 2)), run_torch(plain, x.transpose(0, 3, 1, 2))) <= BOUND


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "mixed_bfloat16"])
def test_folding_is_in_float64_and_stored_in_the_models_dtype(dtype: str) -> None:
    """Rounded once: what float64 arithmetic on the stored weights gives, to half a unit in the last place."""
    stored = "float32" if dtype.startswith("mixed") else dtype
    with policy(dtype):
        theirs = small(resnet_keras)
    theirs.bn1.set_weights(np.random.default_rng(0).uniform(0.5, 1.5, (4, 8)))
    folded = resnet_keras.fold_batch_norm(theirs)
    kernel, gamma, beta, mean, variance = (
        keras.ops.convert_to_numpy(weight).astype("float64") for weight in (theirs.conv1.kernel, *theirs.bn1.weights)
    )
    scale = gamma / np.sqrt(variance + 1e-5)
    assert {weight.dtype for weight in folded.weights} == {stored}
    assert {layer.dtype_policy.name for layer in keras_layers(folded).values()} == {dtype}
    half = {"float64": 1e-15, "float32": 2**-24, "bfloat16": 2**-8, "float16": 2**-11}[stored]
    actual = keras.ops.convert_to_numpy(folded.conv1.kernel).astype("float64")
    np.testing.assert_allclose(actual, kernel * scale, rtol=1.001 * half, atol=2.0**-25 if stored == "float16" else 0)
    actual = keras.ops.convert_to_numpy(folded.conv1.bias).astype("float64")
    np.testing.assert_allclose(actual, beta - mean * scale, rtol=1.001 * half, atol=2.0**-25)
    if not dtype.startswith("mixed"):
        ours = small(resnet_torch).to(getattr(torch, dtype)).eval()
        assert {tensor.dtype for tensor in resnet_torch.fold_batch_norm(ours).state_dict().values()} == {
            getattr(torch, dtype)
        }


def test_errors_are_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"^ResNet is in training mode.*; call model\.eval\(\) first$"):
        resnet_torch.fold_batch_norm(small(resnet_torch))
    partly = small(resnet_torch).eval()
    partly.layer1[0].bn2.train()
    with pytest.raises(ValueError, match="training mode"):
        resnet_torch.fold_batch_norm(partly)
    with pytest.raises(ValueError, match=r"^Residual has layers without weights; call it on an input first$"):
        resnet_torch.fold_batch_norm(resnet_torch.Residual(8, True).eval())
    with pytest.raises(ValueError, match=r"^Residual has layers without weights; call it on an input first$"):
        resnet_keras.fold_batch_norm(resnet_keras.Residual(8, True))
    for package in (resnet_torch, resnet_keras):
        with pytest.raises(TypeError, match=r"^fold_batch_norm takes a .*, got str$"):
            package.fold_batch_norm("resnet50")
        folded = package.fold_batch_norm(small(package).eval() if package is resnet_torch else small(package))
        with pytest.raises(
            ValueError, match=r"^ResNet: no batch norm follows a convolution, so there is nothing to fold$"
        ):
            package.fold_batch_norm(folded)

    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6)

        def forward(self, x: Any) -> Any:
            return self.norm(self.conv(x)) if x.sum() > 0 else x

    with pytest.raises(ValueError, match=r"^Branching: torch.fx cannot follow its forward"):
        resnet_torch.fold_batch_norm(Branching().eval())
