"""A file that states its own network is believed: what its tensors alone would hide is refused, and named.

The archives have keras_hub's form and are written here; what a change to a configuration does to the network is what
the libraries document.
"""

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest

import parity
from parity.checkpoints.graph import graphs
from parity.checkpoints.recognize import Architecture
from parity.checkpoints.source import read_source
from parity.checkpoints.statements import Statement, statements
from parity.errors import CheckpointError

from .helpers import convert, random_tensors, save_safetensors

BACKBONE = {
    "name": "res_net_backbone",
    "trainable": True,
    "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None},
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_blocks": [2, 2, 2, 2],
    "stackwise_num_strides": [1, 2, 2, 2],
    "block_type": "basic_block",
    "use_pre_activation": False,
    "image_shape": [64, 64, 3],
}
HEAD = {"preprocessor": None, "name": "x", "num_classes": 7, "pooling": "avg", "activation": None, "dropout": 0.0}


def described(**changes: Any) -> dict[str, Any]:
    """A classifier's configuration as keras_hub 0.32 serializes it, with changed settings of backbone or head."""
    body = BACKBONE | {key: value for key, value in changes.items() if key not in HEAD}
    backbone = {"class_name": "ResNetBackbone", "registered_name": "keras_hub>ResNetBackbone", "config": body}
    head = HEAD | {key: value for key, value in changes.items() if key in HEAD}
    return {
        "class_name": "ResNetImageClassifier",
        "registered_name": "keras_hub>ResNetImageClassifier",
        "config": {"backbone": backbone, **head},
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18's weights under keras_hub's names."""
    folder = tmp_path_factory.mktemp("hub")
    source = save_safetensors(folder / "in.safetensors", random_tensors("resnet18", num_classes=7))
    parity.convert(source, folder / "weights.weights.h5", naming="keras-hub")
    source.unlink()
    return folder / "weights.weights.h5"


def archive(weights: Path, config: Any) -> Path:
    """The .keras archive of both, always the same file: they are large."""
    path = weights.with_name("hub.keras")
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("config.json", json.dumps(config))
        made.write(weights, "model.weights.h5")
    return path


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "strides": (
        {"stackwise_num_strides": [1, 2, 2, 1]},
        r"stackwise_num_strides is \[1, 2, 2, 1\] and not \[1, 2, 2, 2",
    ),
    "vd": ({"block_type": "basic_block_vd"}, "block_type is 'basic_block_vd' and not 'basic_block'"),
    "pre-activation": ({"use_pre_activation": True}, "use_pre_activation is True and not False"),
    "stem": ({"input_conv_kernel_sizes": [3]}, r"input_conv_kernel_sizes is \[3\] and not \[7\]"),
    "deep stem": ({"input_conv_filters": [32, 32, 64]}, r"input_conv_filters is \[32, 32, 64\] and not \[64\]"),
    "filters": ({"stackwise_num_filters": [64, 256, 512, 1024]}, "stackwise_num_filters is"),
    "blocks": ({"stackwise_num_blocks": [3, 4, 6, 3]}, "resnet34|stackwise_num_blocks is"),
    "groups": ({"groups": 32}, "groups is 32 and not 1"),
    "unknown": ({"squeeze_ratio": 16}, "squeeze_ratio is 16, which nothing here has"),
    "pooling": ({"pooling": "max"}, "pooling is 'max' and not 'avg'"),
    "activation": ({"activation": "relu"}, "activation is 'relu' and not None"),
    "classes": ({"num_classes": 8}, "num_classes is 8 and not 7"),
}


@pytest.mark.parametrize(("case", "model"), [*((case, None) for case in REFUSED), ("strides", "resnet18")])
def test_another_network_of_keras_hub_is_refused(
    case: str, model: str | None, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, told = REFUSED[case]
    path = archive(weights, described(**changes))
    with pytest.raises(CheckpointError, match=told) as caught:
        read_source(path, model)
    assert "config.json in" in str(caught.value)
    assert len(str(caught.value)) < 600 + len(str(path))
    if case == "strides":
        assert convert(path, tmp_path / "out.pth", *(["--model", model] if model else [])) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert not (tmp_path / "out.pth").exists()


FUNCTION = {"module": "builtins", "class_name": "function", "config": "softmax", "registered_name": "function"}
TAKEN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "plain": ({}, {}, ""),
    "idle": ({"groups": 1, "squeeze_ratio": None, "anti_alias": False}, {}, ""),
    "linear": ({"activation": "linear"}, {}, ""),
    "softmax": ({"activation": "softmax"}, {"classifier_activation": "softmax"}, "ends in softmax"),
    "function": ({"activation": FUNCTION}, {"classifier_activation": "softmax"}, "ends in softmax"),
    "dropout": ({"dropout": 0.3}, {}, "dropout 0.3"),
    "preprocessor": ({"preprocessor": {"class_name": "X"}}, {}, "preprocessor"),
    "policy": ({"dtype": {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}}, {}, "'mixed_float16'"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_keras_hub_states_is_carried_or_said(case: str, weights: Path) -> None:
    changes, options, told = TAKEN[case]
    found = read_source(archive(weights, described(**changes)))
    assert (found.architecture.name, found.architecture.options) == ("resnet18", {"num_classes": 7} | options)
    assert told in "\n".join(found.notes)
    assert bool(found.notes) == bool(told)


def test_the_head_s_activation_reaches_our_archive(weights: Path) -> None:
    out = weights.with_name("out.keras")
    parity.convert(archive(weights, described(activation="softmax")), out)
    model = keras.models.load_model(out)
    assert model.config.classifier_activation == "softmax"
    assert read_source(out).architecture.options["classifier_activation"] == "softmax"
    out.unlink()


def test_a_wrapped_backbone_is_found(weights: Path) -> None:
    """Whatever holds the backbone, and whatever its class is called."""
    backbone = described(stackwise_num_strides=[1, 2, 2, 1])["config"]["backbone"]
    for config in (backbone, {"class_name": "Mine", "config": {"parts": [{"inner": backbone | {"class_name": "Y"}}]}}):
        with pytest.raises(CheckpointError, match="stackwise_num_strides"):
            read_source(archive(weights, config))


def test_a_preset_s_config_beside_its_weights(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "model.weights.h5").symlink_to(weights)
    (tmp_path / "other.weights.h5").symlink_to(weights)
    (tmp_path / "config.json").write_text(
        json.dumps(described(stackwise_num_strides=[2, 2, 2, 2])["config"]["backbone"])
    )
    with pytest.raises(CheckpointError, match="stackwise_num_strides"):
        read_source(tmp_path / "model.weights.h5")
    assert read_source(tmp_path / "other.weights.h5").architecture.name == "resnet18"


def test_deep_nesting_is_one_sentence() -> None:
    """What the parser of JSON still takes need not fit the recursion that reads it."""
    config: Any = 1
    for _ in range(2000):
        config = {"config": {"layers": [config]}}
    with pytest.raises(CheckpointError, match="nested too deep"):
        statements(config, "config.json")


@pytest.fixture(scope="module")
def applications() -> dict[str, Any]:
    """keras.applications' ResNet-50 as its archive describes it."""
    model = keras.applications.ResNet50(weights=None, classes=7, input_shape=(64, 64, 3))
    return json.loads(json.dumps(keras.saving.serialize_keras_object(model)))


def stated(config: Any) -> Statement:
    (found,) = statements(config, "config.json")
    return found


RESNET50 = Architecture("resnet50_keras", {"num_classes": 7, "classifier_activation": "softmax"})


def test_the_graph_of_an_application_is_its_variant_s(applications: dict[str, Any]) -> None:
    found = stated(applications)
    assert found.options == {"classifier_activation": "softmax"}
    assert found.differences(RESNET50.config) == []
    assert len(found.stated) > 300
    for other in ("resnet50", "resnet101_keras"):
        assert found.differences(Architecture(other, RESNET50.options).config)


CHANGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "strides": ("conv3_block1_1_conv", {"strides": [1, 1]}, "layer2.0.conv1 strides is 1 and not 2"),
    "dilation": ("conv5_block2_2_conv", {"dilation_rate": [2, 2]}, "layer4.1.conv2 dilation is 2 and not 1"),
    "groups": ("conv5_block2_2_conv", {"groups": 32}, "layer4.1.conv2 groups is 32 and not 1"),
    "epsilon": ("conv4_block2_2_bn", {"epsilon": 1e-3}, "layer3.1.bn2 epsilon is 0.001 and not 1.001e-05"),
    "activation": ("conv4_block2_2_relu", {"activation": "gelu"}, "'gelu(layer3.1.bn2)' and not 'relu(layer3.1.bn2)'"),
    "no activation": ("conv1_relu", {"activation": "linear"}, "'max pool(bn1)' and not 'max pool(relu(bn1))'"),
    "fused": ("conv1_conv", {"activation": "relu"}, "input of bn1 is 'relu(conv1)' and not 'conv1'"),
    "stem padding": ("conv1_pad", {"padding": [[2, 3], [2, 3]]}, "conv1 padding is '[[2, 3], [2, 3]] and 0' and not 3"),
    "pool padding": ("pool1_pad", {"padding": [[0, 0], [0, 0]]}, "max pool padding is 0 and not 1"),
    "pool size": ("pool1_pool", {"pool_size": [2, 2]}, "max pool size is 2 and not 3"),
    "unpadded": ("conv2_block1_2_conv", {"padding": "valid"}, "layer1.0.conv2 padding is 0 and not 1"),
    "head": ("predictions", {"activation": "tanh"}, "output is 'tanh(fc)' and not 'softmax(fc)'"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_setting_of_a_graph_is_named(case: str, applications: dict[str, Any]) -> None:
    name, change, told = CHANGES[case]
    config = copy.deepcopy(applications)
    layer = next(each for each in config["config"]["layers"] if each["config"]["name"] == name)
    layer["config"] |= change
    assert told in "\n".join(stated(config).differences(RESNET50.config))


KINDS = {
    "avg_pool": ("GlobalMaxPooling2D", "input of fc is 'GlobalMaxPooling2D(relu(layer4.2))'"),
    "pool1_pool": ("AveragePooling2D", "AveragePooling2D(padded 1(relu(bn1)))"),
    "conv2_block1_add": ("Concatenate", "Concatenate("),
    "conv2_block2_1_relu": ("ReLU", "ReLU with {'max_value': 6.0} of"),
    "conv1_pad": ("Rescaling", "input of conv1 is 'Rescaling(image)' and not 'image'"),
}


@pytest.mark.parametrize("name", KINDS)
def test_another_layer_in_a_graph_is_named(name: str, applications: dict[str, Any]) -> None:
    kind, told = KINDS[name]
    config = copy.deepcopy(applications)
    layer = next(each for each in config["config"]["layers"] if each["config"]["name"] == name)
    layer["class_name"] = kind
    layer["config"] |= {"max_value": 6.0} if kind == "ReLU" else {}
    assert told in "\n".join(stated(config).differences(RESNET50.config))


def test_wiring_of_a_graph_is_read(applications: dict[str, Any]) -> None:
    config = copy.deepcopy(applications)
    layer = next(each for each in config["config"]["layers"] if each["config"]["name"] == "conv2_block2_add")
    text = json.dumps(layer["inbound_nodes"])
    layer["inbound_nodes"] = json.loads(text.replace("conv2_block1_out", "conv2_block1_3_bn"))
    told = "input of layer1.2.conv1 is 'relu(sum(layer1.0.bn3, layer1.1.bn3))' and not 'relu(layer1.1)'"
    assert told in stated(config).differences(RESNET50.config)


def test_models_in_models_and_sequences(applications: dict[str, Any]) -> None:
    """A body without its head, in a Sequential with or without a Rescaling; and the whole inside another model."""
    body = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
    image, scale = keras.Input((64, 64, 3)), keras.layers.Rescaling(1 / 255)
    head = [body, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(7, "softmax", name="predictions")]
    for layers, wrong in (([image, *head], 0), ([image, scale, *head], 1)):
        model = json.loads(json.dumps(keras.saving.serialize_keras_object(keras.Sequential(layers))))
        assert len(stated(model).differences(RESNET50.config)) == wrong
    whole = keras.applications.ResNet50(weights=None, classes=7, input_shape=(64, 64, 3))
    for inner, wrong in ((image, 0), (scale(image), 1)):
        model = json.loads(json.dumps(keras.saving.serialize_keras_object(keras.Model(image, whole(inner)))))
        assert len(stated(model).differences(RESNET50.config)) == wrong
    plain = {"class_name": "Functional", "config": {"layers": [{"class_name": "Dense", "config": {"name": "dense"}}]}}
    assert list(graphs(plain)) == []


TRANSFORMERS = {"model_type": "resnet", "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512], "id2label": {}}
TRANSFORMERS |= {"layer_type": "basic", "architectures": ["ResNetForImageClassification"]}
OTHERS = {
    "transformers": (
        TRANSFORMERS | {"downsample_in_first_stage": True},
        "transformers",
        "downsample_in_first_stage is True",
    ),
    "gelu": (TRANSFORMERS | {"hidden_act": "gelu"}, "transformers", "hidden_act is 'gelu' and not 'relu'"),
    "timm": (
        {"architecture": "resnetblur18", "pretrained_cfg": {}},
        "torchvision",
        "is 'resnetblur18' and not 'resnet18'",
    ),
    "timm args": (
        {"architecture": "resnet18.a1_in1k", "model_args": {"act_layer": "silu"}, "pretrained_cfg": {}},
        "torchvision",
        "model_args is {'act_layer': 'silu'}",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_config_of_other_libraries_beside_the_weights(case: str, weights: Path, tmp_path: Path) -> None:
    config, naming, told = OTHERS[case]
    parity.convert(weights, tmp_path / "model.safetensors", naming=naming)
    read_source(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as caught:
        read_source(tmp_path / "model.safetensors")
    assert told in str(caught.value)
    good = TRANSFORMERS if naming == "transformers" else {"architecture": "tv_resnet18.x", "pretrained_cfg": {}}
    (tmp_path / "config.json").write_text(json.dumps(good))
    assert read_source(tmp_path / "model.safetensors").architecture.name == "resnet18"
    (tmp_path / "model.safetensors").unlink()
