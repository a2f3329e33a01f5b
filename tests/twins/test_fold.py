"""`fold_batch_norm`: the same function without its norms, in both packages, and what must not be folded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import parity
import resnet_keras
import resnet_torch
from resnet_keras import VARIANTS, ResNetConfig

from .helpers import copy_weights, gap, image, keras_layers, nchw, policy, randomise, run_python, small, torch_layers

BOUND = 1e-12  # of the scale of the outputs, in float64


def row(name: str, **fields: Any) -> ResNetConfig:
    """A variant with one block per stage, for odd images: each kind of layer, none twice."""
    config = VARIANTS[name]
    return replace(config, depths=(1,) * len(config.depths), input_size=33, num_classes=7, **fields)


# Rows that differ in depth alone are one here.
NETS = {row(name): name for name in reversed(VARIANTS)}
DILATED = {"replace_stride_with_dilation": (False, True, True)}
OPTIONS = {
    "resnet50-dilated": row("resnet50", **DILATED),
    "resnet50_v1-dilated": row("resnet50_v1", **DILATED),
    "resnext50_32x4d-dilated": row("resnext50_32x4d", **DILATED),
    "resnet18-A": row("resnet18", shortcut="A"),
    "resnet18-C": row("resnet18", shortcut="C"),
    "resnet50_keras-A": row("resnet50_keras", shortcut="A"),
    "resnet18-softmax": row("resnet18", classifier_activation="softmax", zero_init_residual=True),
}
LARGE = ("cifar_resnext29_8x64d", "cifar_resnext29_16x64d", "wide_resnet50_2", "resnext101_32x8d", "resnext101_64x4d")
CONFIGS = [
    pytest.param(config, id=name, marks=pytest.mark.slow if name in LARGE else ())
    for name, config in ({name: config for config, name in NETS.items()} | OPTIONS).items()
]


def nets(config: ResNetConfig, dtype: str) -> tuple[nn.Module, keras.Model]:
    """Both networks in evaluation mode, with the same weights and no statistic at its start."""
    ours = resnet_torch.ResNet(resnet_torch.ResNetConfig(**vars(config))).eval()
    randomise(ours)
    with policy(dtype):
        theirs = resnet_keras.ResNet(config)
    ours.to(getattr(torch, dtype))
    copy_weights(ours, theirs)
    return ours, theirs


def pixels(config: ResNetConfig, dtype: str = "float64") -> np.ndarray:
    return image(2, config.in_channels, *config.image_size, dtype=dtype)


def run_torch(model: Any, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(x)).numpy()


def run_keras(model: Any, x: np.ndarray) -> np.ndarray:
    return nchw(model(x.transpose(0, 2, 3, 1)))


def kinds(model: Any) -> set[str]:
    layers = torch_layers(model) if isinstance(model, nn.Module) else keras_layers(model)
    return {type(layer).__name__ for layer in layers.values()}


def assert_folds_to_the_same(ours: nn.Module, theirs: Any, x: np.ndarray) -> tuple[nn.Module, Any]:
    """Fold both, and compare each with what it was, in float64."""
    folded = resnet_torch.fold_batch_norm(ours), resnet_keras.fold_batch_norm(theirs)
    assert gap(run_torch(folded[0], x), run_torch(ours, x)) <= BOUND
    assert gap(run_keras(folded[1], x), run_keras(theirs, x)) <= BOUND
    return folded


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


def flow(call: Callable[..., Any]) -> tuple[Callable[[], nn.Module], Callable[[], Any]]:
    """A module and a block of a convolution and a norm, called by `call(x, conv, norm)`, in both frameworks."""

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)

        def forward(self, x: Any) -> Any:
            return call(x, self.conv, self.norm)

    class Layer(resnet_keras.base.Block):
        def __init__(self) -> None:
            super().__init__()
            self.conv = resnet_keras.layers.Conv2D(6, 3, padding=1)
            self.norm = resnet_keras.layers.BatchNormalization(epsilon=1e-5)

        def call(self, x: Any) -> Any:
            return call(x, self.conv, self.norm)

    return Module, Layer


def taken_twice(x: Any, conv: Any, norm: Any) -> Any:
    y = conv(x)
    return norm(y) + y


def shared_norm(x: Any, conv: Any, norm: Any) -> Any:
    return norm(conv(x)) + norm(x)


def shared_convolution(x: Any, conv: Any, norm: Any) -> Any:
    return norm(conv(x)) + conv(x + 1)


NOT_FOLDED = {
    "norm first": lambda x, conv, norm: conv(norm(x)),
    "output taken twice": taken_twice,
    "output returned": lambda x, conv, norm: (lambda y: (norm(y), y))(conv(x)),
    "norm of a sum": lambda x, conv, norm: norm(conv(x) + x),
    "shared norm": shared_norm,
    "shared convolution": shared_convolution,
    "norm not called": lambda x, conv, norm: conv(x),
}


@pytest.mark.parametrize("call", NOT_FOLDED.values(), ids=NOT_FOLDED)
def test_what_cannot_be_folded_is_said(call: Callable[..., Any]) -> None:
    module, layer = (make() for make in flow(call))
    layer(np.zeros((2, 5, 5, 6)))
    with pytest.raises(ValueError, match=r"^Module: no batch norm follows a convolution, so there is nothing to fold$"):
        resnet_torch.fold_batch_norm(module.eval())
    with pytest.raises(ValueError, match=r"^Layer: no batch norm follows a convolution, so there is nothing to fold$"):
        resnet_keras.fold_batch_norm(layer)


FOLDED = {
    "plain": lambda x, conv, norm: norm(conv(x)),
    "twice in turn": lambda x, conv, norm: norm(conv(norm(conv(x)))),
    "other uses of the norm's output": lambda x, conv, norm: (lambda y: y * y + x)(norm(conv(x))),
}


@pytest.mark.parametrize("call", FOLDED.values(), ids=FOLDED)
def test_the_flow_of_tensors_decides(call: Callable[..., Any]) -> None:
    make_torch, make_keras = flow(call)
    x = image(2, 6, 5, 5)
    with policy("float64"):
        theirs = make_keras()
        theirs(x.transpose(0, 2, 3, 1))
    ours = make_torch().double().eval()
    randomise(ours)
    copy_weights(ours, theirs)
    folded, twin = assert_folds_to_the_same(ours, theirs, x)
    assert isinstance(folded.norm, nn.Identity)
    assert isinstance(twin.norm, keras.layers.Identity)


def test_a_norm_of_two_names_is_replaced_under_both() -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6)
            self.again = self.norm

        def forward(self, x: Any) -> Any:
            return self.again(self.conv(x))

    class Layer(resnet_keras.base.Block):
        def __init__(self) -> None:
            super().__init__()
            self.conv = resnet_keras.layers.Conv2D(6, 3)
            self.norm = resnet_keras.layers.BatchNormalization(epsilon=1e-5)
            self.again = self.norm

        def call(self, x: Any) -> Any:
            return self.norm(self.conv(x))

    x = image(2, 6, 5, 5)
    with policy("float64"):
        theirs = Layer()
        theirs(x.transpose(0, 2, 3, 1))
    ours = Module().double().eval()
    randomise(ours)
    theirs.conv.set_weights([ours.conv.weight.detach().permute(2, 3, 1, 0), ours.conv.bias.detach()])
    theirs.norm.set_weights([tensor for tensor in ours.norm.state_dict().values() if tensor.ndim])
    folded, twin = assert_folds_to_the_same(ours, theirs, x)
    assert isinstance(folded.again, nn.Identity)
    assert twin.norm is twin.again


def test_an_activation_or_another_class_between_is_not_folded() -> None:
    layers = resnet_keras.layers
    conv, norm = layers.Conv2D(6, 3, activation="relu"), layers.BatchNormalization()
    block = resnet_keras.base.Sequential(conv, norm, layers.Conv2D(6, 3), layers.BatchNormalization(axis=1))
    block(np.zeros((2, 9, 9, 6)))
    with pytest.raises(ValueError, match="nothing to fold"):
        resnet_keras.fold_batch_norm(block)
    spectral = nn.utils.parametrizations.spectral_norm(nn.Conv2d(6, 6, 3))
    without_statistics = nn.BatchNorm2d(6, track_running_stats=False)
    for first, second in ((spectral, nn.BatchNorm2d(6)), (nn.Conv2d(6, 6, 3), without_statistics)):
        with pytest.raises(ValueError, match="nothing to fold"):
            resnet_torch.fold_batch_norm(nn.Sequential(first, second).eval())


def test_a_norm_that_always_trains_is_not_folded() -> None:
    class Layer(resnet_keras.base.Block):
        def __init__(self) -> None:
            super().__init__()
            self.conv = resnet_keras.layers.Conv2D(6, 3)
            self.norm = resnet_keras.layers.BatchNormalization()

        def call(self, x: Any) -> Any:
            return self.norm(self.conv(x), training=True)

    layer = Layer()
    layer(np.zeros((2, 5, 5, 6)))
    with pytest.raises(ValueError, match="nothing to fold"):
        resnet_keras.fold_batch_norm(layer)


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


def test_the_original_is_left_as_it_was() -> None:
    ours, theirs = nets(row("resnet18"), "float32")
    x = pixels(ours.config, "float32")
    state = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    weights, outputs = theirs.get_weights(), (run_torch(ours, x), run_keras(theirs, x))
    config = theirs.get_config()
    folded, twin = resnet_torch.fold_batch_norm(ours), resnet_keras.fold_batch_norm(theirs)
    for tensor in (*folded.parameters(), *twin.weights):
        tensor.data.fill_(7.0) if isinstance(tensor, torch.Tensor) else tensor.assign(keras.ops.full(tensor.shape, 7.0))
    assert all(torch.equal(tensor, state[name]) for name, tensor in ours.state_dict().items())
    assert all(np.array_equal(was, now) for was, now in zip(weights, theirs.get_weights(), strict=True))
    assert theirs.get_config() == config
    assert all(parameter.requires_grad for parameter in ours.parameters())
    assert theirs.trainable
    assert theirs.conv1.bias is None
    np.testing.assert_array_equal(run_torch(ours, x), outputs[0])
    np.testing.assert_array_equal(run_keras(theirs, x), outputs[1])


def test_a_folded_keras_network_saves_loads_and_shows_itself(tmp_path: Path) -> None:
    theirs = nets(row("resnext50_32x4d"), "float32")[1]
    x = pixels(theirs.config, "float32").transpose(0, 2, 3, 1)
    folded = resnet_keras.fold_batch_norm(theirs)
    folded.save(tmp_path / "folded.keras")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", folded(x))
    code = f"""
import keras, numpy as np, resnet_keras
model = keras.models.load_model("{tmp_path}/folded.keras")
print(np.array_equal(model(np.load("{tmp_path}/x.npy")), np.load("{tmp_path}/y.npy")), model.trainable)
print(type(model.layer1.layers[0].bn2).__name__, len(model.weights))
"""
    assert run_python(code).split() == ["True", "False", "Identity", str(len(folded.weights))]
    folded.save_weights(tmp_path / "folded.weights.h5")
    fresh = resnet_keras.ResNet.from_config(folded.get_config())
    fresh.load_weights(tmp_path / "folded.weights.h5")
    np.testing.assert_array_equal(fresh(x), folded(x))
    outputs = resnet_keras.intermediate_outputs(folded, x, ["layer1.0.conv2", "layer1.0.bn2", "layer4"])
    expected = resnet_keras.intermediate_outputs(theirs, x, ["layer1.0.bn2", "layer4"])
    np.testing.assert_array_equal(outputs["layer1.0.conv2"], outputs["layer1.0.bn2"])
    for path, output in expected.items():
        assert gap(outputs[path], output) <= 1e-5
    lines: list[str] = []
    folded.summary(print_fn=lines.append, expand_nested=True, line_length=200)
    assert "?" not in "".join(lines)
    assert f"Total params: {folded.count_params():,}" in "".join(lines)
    folded.export(tmp_path / "saved", verbose=False)
    assert gap(folded.predict(x, verbose=0), folded(x)) <= 1e-5


def test_a_folded_block_within_another_model_saves_and_loads(tmp_path: Path) -> None:
    block = resnet_keras.Bottleneck(6, 4, 2)
    x = np.random.default_rng(0).random((2, 9, 8, 6), "float32")
    block(x)
    inputs = keras.Input((9, 8, 6))
    model = keras.Model(inputs, resnet_keras.fold_batch_norm(block)(inputs))
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))
    assert gap(model(x), block(x)) <= 1e-6


def test_a_folded_torch_network_has_its_state_dict(tmp_path: Path) -> None:
    ours = nets(row("resnet18"), "float32")[0]
    x = pixels(ours.config, "float32")
    folded = resnet_torch.fold_batch_norm(ours)
    torch.save(folded.state_dict(), tmp_path / "folded.pth")
    fresh = resnet_torch.fold_batch_norm(resnet_torch.ResNet(ours.config).eval())
    fresh.load_state_dict(torch.load(tmp_path / "folded.pth", weights_only=True), strict=True)
    np.testing.assert_array_equal(run_torch(fresh, x), run_torch(folded, x))
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert not any(module.training for module in folded.modules())


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


ON_TORCH = """
import sys
sys.modules["tensorflow"] = None
import keras, numpy as np, resnet_keras
from resnet_keras import ResNet, ResNetConfig
model = ResNet(ResNetConfig("bottleneck", (1, 1), (8, 16), groups=2, width_per_group=64, bias=True))
x = np.random.default_rng(0).random((4, 33, 33, 3), "float32")
model.compile("sgd", "mse")
model.train_on_batch(x, np.zeros((4, 1000)))
folded = resnet_keras.fold_batch_norm(model)
expected = keras.ops.convert_to_numpy(model(x))
print(np.abs(keras.ops.convert_to_numpy(folded(x)) - expected).max() <= 1e-5 * np.abs(expected).max())
folded.save("{path}")
print(np.array_equal(*(keras.ops.convert_to_numpy(m(x)) for m in (keras.models.load_model("{path}"), folded))))
print(type(folded.layer1.layers[0].bn1).__name__, len(folded.weights))
"""


def test_on_keras_torch_backend(tmp_path: Path) -> None:
    printed = run_python(ON_TORCH.format(path=tmp_path / "model.keras"), KERAS_BACKEND="torch").split()
    assert printed == ["True", "True", "Identity", "20"]
