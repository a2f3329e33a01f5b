"""Other libraries' models, built here with random weights: converted, they give those libraries' own outputs.

In float64, to 1e-12 of the outputs' scale, in both directions: their file into our models, our file into theirs.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import torch

import parity
import resnet_keras
import resnet_torch
from parity.checkpoints.source import read_source
from parity.errors import CheckpointError
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


def check_against(path: Path, expected: Any, model: str | None = None) -> None:
    for framework, actual in our_outputs(path, model).items():
        assert gap(actual, expected) < BOUND, framework


def torch_output(model: torch.nn.Module, pick: Any = lambda output: output) -> np.ndarray:
    with torch.no_grad():
        return pick(model(torch.from_numpy(image()))).numpy()


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"])
@pytest.mark.parametrize("classes", [7, 0])
def test_timm(name: str, classes: int, tmp_path: Path) -> None:
    timm = library("timm")
    model = randomised(timm.create_model(name, num_classes=classes))
    torch.save(model.state_dict(), tmp_path / "timm.pth")
    check_against(tmp_path / "timm.pth", torch_output(model))
    done = parity.convert(tmp_path / "timm.pth", tmp_path / "mid.weights.h5")
    assert done.architecture.name == name
    parity.convert(tmp_path / "mid.weights.h5", tmp_path / "back.safetensors", naming="timm")
    from safetensors.torch import load_file

    back = timm.create_model(name, num_classes=classes).double().eval()
    back.load_state_dict(load_file(tmp_path / "back.safetensors"), strict=False)
    assert gap(torch_output(back), torch_output(model)) == 0


TRANSFORMERS = [("basic", [2, 2, 2, 2], [64, 128, 256, 512]), ("bottleneck", [3, 4, 6, 3], [256, 512, 1024, 2048])]


@pytest.mark.parametrize(("kind", "depths", "widths"), TRANSFORMERS, ids=["resnet18", "resnet50"])
@pytest.mark.parametrize("cls", ["ResNetForImageClassification", "ResNetModel"])
def test_transformers(kind: str, depths: list[int], widths: list[int], cls: str, tmp_path: Path) -> None:
    library("torchvision")
    transformers = library("transformers")
    config = transformers.ResNetConfig(depths=depths, hidden_sizes=widths, layer_type=kind, num_labels=7)
    model = randomised(getattr(transformers, cls)(config))
    headless = cls == "ResNetModel"

    def pick(output: Any) -> Any:
        return output.pooler_output.flatten(1) if headless else output.logits

    model.save_pretrained(tmp_path)
    check_against(tmp_path / "model.safetensors", torch_output(model, pick))
    done = parity.convert(tmp_path / "model.safetensors", tmp_path / "mid.keras")
    assert done.architecture.name == ("resnet18" if kind == "basic" else "resnet50")
    naming = "transformers-backbone" if headless else "transformers"
    expected = torch_output(model, pick)
    parity.convert(tmp_path / "mid.keras", tmp_path / "model.safetensors", naming=naming)
    back = getattr(transformers, cls).from_pretrained(tmp_path, dtype=torch.float64).eval()
    assert gap(torch_output(back, pick), expected) == 0


def test_transformers_v1(tmp_path: Path) -> None:
    """Stride in the first 1x1 leaves no trace in the names: the folder's config.json says so, or --model does."""
    library("torchvision")
    transformers = library("transformers")
    config = transformers.ResNetConfig(num_labels=7, downsample_in_bottleneck=True)
    model = randomised(transformers.ResNetForImageClassification(config))
    model.save_pretrained(tmp_path)
    expected = torch_output(model, lambda output: output.logits)
    check_against(tmp_path / "model.safetensors", expected)
    with pytest.raises(CheckpointError, match="downsample_in_bottleneck is True and not False"):
        read_source(tmp_path / "model.safetensors", "resnet50")
    (tmp_path / "apart").mkdir()  # from the configuration, which the only weights of a folder are read with
    alone = (tmp_path / "model.safetensors").rename(tmp_path / "apart" / "alone.safetensors")
    check_against(alone, expected, "resnet50_v1")
    assert gap(our_outputs(alone)["torch"], expected) > BOUND


def in_float64(build: Any) -> keras.Model:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(before)


def keras_output(model: keras.Model) -> np.ndarray:
    return np.asarray(model(image().transpose(0, 2, 3, 1), training=False))


@pytest.mark.parametrize(
    ("suffix", "top"),
    [
        (".keras", False),
        *(pytest.param(".weights.h5", top, marks=pytest.mark.slow) for top in (True, False)),
        pytest.param(".keras", True, marks=pytest.mark.slow),
        *(pytest.param(".h5", top, marks=pytest.mark.slow) for top in (True, False)),
    ],
)
def test_keras_applications(suffix: str, top: bool, tmp_path: Path) -> None:
    def build() -> keras.Model:
        options: dict[str, Any] = {"weights": None, "input_shape": (64, 64, 3), "include_top": top}
        options |= {"classes": 7, "classifier_activation": None} if top else {"pooling": "avg"}
        return keras.applications.ResNet50(**options)

    model = randomised_keras(in_float64(build))
    path = tmp_path / f"applications{suffix}"
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    expected = keras_output(model)
    check_against(path, expected)
    done = parity.convert(path, tmp_path / "mid.safetensors")
    assert str(done.architecture) == f"resnet50_keras(num_classes={7 if top else 0})"
    for back in ("back.weights.h5", "back.h5"):
        parity.convert(tmp_path / "mid.safetensors", tmp_path / back, naming="keras-applications")
        theirs = in_float64(build)
        theirs.load_weights(tmp_path / back)
        assert gap(keras_output(theirs), expected) == 0


HUB: dict[str, dict[str, Any]] = {
    "resnet18": {"block_type": "basic_block", "stackwise_num_blocks": [2, 2, 2, 2]},
    "resnet50": {"block_type": "bottleneck_block", "stackwise_num_blocks": [3, 4, 6, 3]},
}


@pytest.mark.parametrize("name", HUB)
@pytest.mark.parametrize("head", [True, False])
def test_keras_hub(name: str, head: bool, tmp_path: Path) -> None:
    hub = library("keras_hub")

    def build() -> keras.Model:
        body = hub.models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 128, 256, 512],
            stackwise_num_strides=[1, 2, 2, 2],
            use_pre_activation=False,
            **HUB[name],
        )
        if head:
            return hub.models.ResNetImageClassifier(backbone=body, num_classes=7, preprocessor=None)
        return body

    def output(model: keras.Model) -> np.ndarray:
        found = keras_output(model)
        return found if head else found.mean((1, 2))

    model = randomised_keras(in_float64(build))
    model.save_weights(tmp_path / "hub.weights.h5")
    expected = output(model)
    check_against(tmp_path / "hub.weights.h5", expected)
    done = parity.convert(tmp_path / "hub.weights.h5", tmp_path / "mid.pth")
    assert (done.architecture.name, done.scheme) == (name, "keras-hub")
    parity.convert(tmp_path / "mid.pth", tmp_path / "back.weights.h5", naming="keras-hub")
    theirs = in_float64(build)
    if head:
        theirs.compile(optimizer=None)  # a compiled model, as theirs is, also wants its optimizer's state from the file
    theirs.load_weights(tmp_path / "back.weights.h5")
    assert gap(output(theirs), expected) == 0


@pytest.mark.parametrize("option", ["A", "B"])
def test_akamaster(option: str, tmp_path: Path) -> None:
    """His files are {"state_dict": ...} with `module.`, `linear` for fc, `shortcut` for downsample."""
    model = randomised(resnet_torch.cifar_resnet20(shortcut=option))
    renamed = {
        "module." + name.replace("downsample", "shortcut").replace("fc.", "linear."): tensor
        for name, tensor in model.state_dict().items()
    }
    torch.save({"state_dict": renamed, "best_prec1": 91.7}, tmp_path / "in.pth")
    done = parity.convert(tmp_path / "in.pth", tmp_path / "out.weights.h5")
    assert done.scheme == "akamaster (module.)"
    assert done.architecture.options == ({} if option == "A" else {"shortcut": "B"})
    check_against(tmp_path / "in.pth", torch_output(model))
    parity.convert(tmp_path / "out.weights.h5", tmp_path / "back.safetensors", naming="akamaster")
    from safetensors.torch import load_file

    back = load_file(tmp_path / "back.safetensors")
    expected = {name.removeprefix("module."): tensor for name, tensor in renamed.items() if tensor.ndim}
    assert back.keys() == expected.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in expected.items())


class Logits(torch.nn.Module):
    """A transformers model as a function of an image."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x).logits


def live_timm(folder: Path) -> tuple[Any, Path]:
    model = randomised(library("timm").create_model("resnext50_32x4d", num_classes=7)).float()
    torch.save(model.state_dict(), folder / "timm.pth")
    return model, folder / "timm.pth"


def live_transformers(folder: Path) -> tuple[Any, Path]:
    library("torchvision")
    transformers = library("transformers")
    config = transformers.ResNetConfig(
        depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic", num_labels=7
    )
    model = randomised(transformers.ResNetForImageClassification(config)).float()
    model.save_pretrained(folder)
    return Logits(model).eval(), folder / "model.safetensors"


def live_applications(folder: Path) -> tuple[Any, Path]:
    options = {"weights": None, "classes": 7, "classifier_activation": None, "input_shape": (64, 64, 3)}
    model = randomised_keras(keras.applications.ResNet50(**options))
    model.save_weights(folder / "applications.weights.h5")
    return model, folder / "applications.weights.h5"


def live_hub(folder: Path) -> tuple[Any, Path]:
    hub = library("keras_hub")
    filters = {"input_conv_filters": [64], "input_conv_kernel_sizes": [7], "stackwise_num_filters": [64, 128, 256, 512]}
    body = hub.models.ResNetBackbone(
        **filters, **HUB["resnet18"], stackwise_num_strides=[1, 2, 2, 2], use_pre_activation=False
    )
    model = randomised_keras(hub.models.ResNetImageClassifier(backbone=body, num_classes=7, preprocessor=None))
    model.save_weights(folder / "hub.weights.h5")
    return model, folder / "hub.weights.h5"


@pytest.mark.parametrize("live", [live_timm, live_transformers, live_applications, live_hub])
def test_parity_check_beside_the_living_model(live: Any, tmp_path: Path) -> None:
    """Layer by layer: their own model in one framework, ours with their checkpoint in the other."""
    model, path = live(tmp_path)
    found = read_source(path, None)
    name, options = found.architecture.name, found.architecture.options
    theirs_is_torch = isinstance(model, torch.nn.Module)
    twin = getattr(resnet_keras if theirs_is_torch else resnet_torch, name)(**options)
    side = KerasSide(twin) if theirs_is_torch else TorchSide(twin.eval())
    for canonical, tensor in found.tensors.items():
        side.load(canonical, tensor.value)
    pair = (model, twin) if theirs_is_torch else (twin, model)
    report = parity.check(*pair, image())
    assert report.ok, report.first
    assert max(layer.inherited.error for layer in report.layers) < BOUND
    assert not report.static
