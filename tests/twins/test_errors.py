"""Wrong arguments raise ValueError with the same sentence in both packages, and it says what is allowed."""

from typing import Any

import pytest

import resnet_keras
import resnet_torch

PACKAGES = (resnet_torch, resnet_keras)
WRONG_NETWORKS: list[tuple[str, dict[str, Any], str]] = [
    ("resnet18", {"shortcut": "D"}, "shortcut must be one of 'A', 'B', 'C', 'none', got 'D'"),
    ("resnet18_d2l", {"shortcut": "A"}, "block='residual' takes shortcut='B' only (a 1x1 convolution), got 'A'"),
    ("resnet18", {"num_classes": -1}, "num_classes must be a whole number, at least 0, got -1"),
    ("resnet18", {"num_classes": True}, "num_classes must be a whole number, at least 0, got True"),
    ("resnet18", {"in_channels": 3.0}, "in_channels must be a whole number, at least 1, got 3.0"),
    ("resnet18", {"in_channels": 0}, "in_channels must be a whole number, at least 1, got 0"),
    ("resnet18", {"input_size": 0}, "every side of input_size must be a whole number, at least 1, got 0"),
    ("resnet18", {"input_size": (8, 2.5)}, "every side of input_size must be a whole number, at least 1, got 2.5"),
    ("resnet18", {"input_size": (8,)}, "input_size must be one whole number or (height, width), got (8,)"),
    ("resnet18", {"input_size": "big"}, "every side of input_size must be a whole number, at least 1, got 'big'"),
    (
        "resnet50",
        {"replace_stride_with_dilation": [True]},
        "replace_stride_with_dilation must be None or 3 booleans (one per stage after the first), got (True,)",
    ),
    (
        "cifar_resnet20",
        {"replace_stride_with_dilation": (0, 1)},
        "replace_stride_with_dilation must be None or 2 booleans (one per stage after the first), got (0, 1)",
    ),
    (
        "resnet18_d2l",
        {"replace_stride_with_dilation": (True, False, False)},
        "block='residual' takes no replace_stride_with_dilation; use 'basic' or 'bottleneck'",
    ),
    (
        "resnet18",
        {"shortcut": "none", "zero_init_residual": True},
        "zero_init_residual=True needs a shortcut: with shortcut='none' every output would be 0",
    ),
    (
        "resnet18",
        {"classifier_activation": "relu"},
        "classifier_activation must be one of None, 'softmax', 'sigmoid', got 'relu'",
    ),
]
WRONG_CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"block": "dense"}, "block must be one of 'basic', 'bottleneck', 'residual', got 'dense'"),
    ({"stem": "none"}, "stem must be one of 'imagenet', 'cifar', 'same', got 'none'"),
    ({"init": "orthogonal"}, "init must be one of 'kaiming', 'glorot', got 'orthogonal'"),
    ({"groups": 2}, "groups and width_per_group need block='bottleneck', got block='basic'"),
    ({"width_per_group": 128}, "groups and width_per_group need block='bottleneck', got block='basic'"),
    ({"stride_in_1x1": True}, "stride_in_1x1 needs block='bottleneck', got block='basic'"),
    ({"depths": (2, 0)}, "every entry of depths and widths must be a whole number, at least 1, got 0"),
    ({"depths": (2,)}, "depths and widths must be equally long, not empty, got (2,) and (64, 128)"),
    ({"depths": (), "widths": ()}, "depths and widths must be equally long, not empty, got () and ()"),
    ({"groups": 0}, "groups must be a whole number, at least 1, got 0"),
    (
        {"block": "bottleneck", "widths": (8, 16), "width_per_group": 4},
        "width_per_group times a stage's width must be at least 64, got 4",
    ),
]
WRONG_BLOCKS: list[tuple[str, tuple[int, ...], dict[str, Any], str]] = [
    ("BasicBlock", (6, 8), {"shortcut": "D"}, "shortcut must be one of 'A', 'B', 'C', 'none', got 'D'"),
    ("Bottleneck", (6, 8), {"shortcut": None}, "shortcut must be one of 'A', 'B', 'C', 'none', got None"),
    ("BasicBlock", (6, 8), {"init": "he"}, "init must be one of 'kaiming', 'glorot', got 'he'"),
    ("Residual", (6,), {"init": "he"}, "init must be one of 'kaiming', 'glorot', got 'he'"),
    ("BasicBlock", (8, 6, 2), {"shortcut": "A"}, "shortcut 'A' pads with zeros: from 8 channels it cannot give 6"),
]


def said(call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the caller compares the whole text
        call(*args, **options)
    return str(raised.value)


@pytest.mark.parametrize("package", PACKAGES, ids=["torch", "keras"])
@pytest.mark.parametrize(("name", "options", "text"), WRONG_NETWORKS)
def test_networks(package: Any, name: str, options: dict[str, Any], text: str) -> None:
    assert said(getattr(package, name), **options) == text


@pytest.mark.parametrize("package", PACKAGES, ids=["torch", "keras"])
@pytest.mark.parametrize(("fields", "text"), WRONG_CONFIGS)
def test_configurations(package: Any, fields: dict[str, Any], text: str) -> None:
    row = {"block": "basic", "depths": (1, 1), "widths": (64, 128)} | fields
    assert said(package.ResNetConfig, **row) == text


@pytest.mark.parametrize("package", PACKAGES, ids=["torch", "keras"])
@pytest.mark.parametrize(("name", "args", "options", "text"), WRONG_BLOCKS)
def test_blocks(package: Any, name: str, args: tuple[int, ...], options: dict[str, Any], text: str) -> None:
    assert said(getattr(package, name), *args, **options) == text


@pytest.mark.parametrize("package", PACKAGES, ids=["torch", "keras"])
def test_a_wrong_keyword_is_a_type_error(package: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'classes'"):
        package.resnet18(classes=10)


@pytest.mark.parametrize("package", PACKAGES, ids=["torch", "keras"])
def test_a_configuration_from_json_is_the_same(package: Any) -> None:
    row = package.VARIANTS["resnet18"]
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(row).items()}
    assert package.ResNetConfig(**lists) == row
