"""torchvision's models as an oracle, also where only the Python part of torchvision is usable."""

import importlib
import sys
from types import ModuleType

import pytest
import torch

MODELS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)
LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # its declarations last as long as it does
MISSING = ("nms", "qnms")


def torchvision_models() -> ModuleType:
    """`torchvision.models.resnet`, or skip.

    Where torchvision's compiled operators do not fit the installed torch, importing it fails as it describes the
    operators "nms" and "qnms". No ResNet uses either, so it is enough that they are declared.
    """
    try:
        try:
            return importlib.import_module("torchvision.models.resnet")
        except RuntimeError:
            _declare_operators()
            return importlib.import_module("torchvision.models.resnet")
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision is no oracle here, it cannot be imported: {error}")


def _declare_operators() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    for name in MISSING:
        if not hasattr(torch.ops.torchvision, name):
            LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
