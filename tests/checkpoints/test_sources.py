"""Other libraries' models, built here with random weights: converted, they give those libraries' own outputs.

In float64, to 1e-12 of the outputs' scale, in both directions: their file into our models, our file into theirs.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import parity
import resnet_torch
from parity.checkpoints.source import read_source
from parity.errors import CheckpointError

from .libraries import BOUND, HUB, gap, image, library, our_outputs, randomised, randomised_keras, torch_output


def check_against(path: Path, expected: Any, model: str | None = None) -> None:
    for framework, actual in our_outputs(path, model).items():
        assert gap(actual, expected) < BOUND, framework


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
