"""Every planted fault is caught, at the right layer, with the right cause; a model without one has none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import parity
import resnet_keras
import resnet_torch

from .faults import CONV, FAULTS, FIRST, GROUPED, NORM, RELU, STRIDED, Fault

CONFIGS = {
    "basic": (resnet_torch.VARIANTS["cifar_resnet20"], (32, 32)),
    "bottleneck": (replace(resnet_torch.VARIANTS["resnet50_v1"], depths=(1, 1, 1), widths=(16, 32, 64)), (32, 32)),
    "resnext": (
        replace(resnet_torch.VARIANTS["resnext50_32x4d"], depths=(1, 1, 1), widths=(64, 64, 64), groups=8),
        (64, 64),
    ),
}


@pytest.fixture
def models(request: Any) -> tuple[Any, Any, Any]:
    return make(request.param)


def make(name: str) -> tuple[Any, Any, Any]:
    """A matched pair with random weights and an input of an even size."""
    config, size = CONFIGS[name]
    torch_model = resnet_torch.ResNet(resnet_torch.ResNetConfig(**vars(config)))
    keras_model = resnet_keras.ResNet(resnet_keras.ResNetConfig(**vars(config)))
    x = np.random.default_rng(0).standard_normal((2, 3, *size)).astype(np.float32)
    randomize(torch_model, x)
    parity.copy_weights(torch_model, keras_model)
    return torch_model, keras_model, x


def randomize(model: Any, x: Any) -> None:
    from parity.sides.torch_side import TorchSide

    TorchSide(model).randomize(x.astype(np.float64), seed=0)


def places(model: Any, kind: str) -> list[str]:
    """Paths of the layers of a kind, in order of execution: a shared ReLU stands once for a block."""
    from torch import nn

    modules = dict(model.named_modules())
    tests = {
        CONV: lambda p, m: isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3) and m.groups == 1,
        NORM: lambda p, m: isinstance(m, nn.BatchNorm2d),
        RELU: lambda p, m: isinstance(m, nn.ReLU),
        FIRST: lambda p, m: p == "conv1",
        STRIDED: lambda p, m: isinstance(m, nn.Conv2d) and m.stride == (2, 2) and m.kernel_size == (3, 3),
        GROUPED: lambda p, m: isinstance(m, nn.Conv2d) and m.groups > 1,
    }
    return [path for path, module in modules.items() if tests[kind](path, module)]


def three(paths: list[str]) -> list[str]:
    """The first, a middle and the last."""
    return list(dict.fromkeys([paths[0], paths[len(paths) // 2], paths[-1]])) if paths else []


def layer_at(model: Any, path: str) -> Any:
    for name in path.split("."):
        model = getattr(model, name)
    return model


def check_fault(fault: Fault, family: str, depth: int, side: str) -> None:
    torch_model, keras_model, x = make(family)
    paths = three(places(torch_model, fault.kind))
    if fault.cause == "kernel in/out transposed":
        paths = three(
            [p for p in places(torch_model, CONV) if len(set(layer_at(torch_model, p).weight.shape[:2])) == 1]
        )
    if depth >= len(paths):
        pytest.skip(f"{family} has {len(paths)} places for this fault")
    path = paths[depth]
    fault.plant(layer_at(torch_model if side == "torch" else keras_model, path), side)
    report = parity.check(torch_model, keras_model, x)
    assert not report.ok
    assert report.first == path
    assert report.cause is not None
    assert (report.cause.name, report.cause.path) == (fault.cause, path), report.cause


@pytest.mark.parametrize("side", ["torch", "keras"])
@pytest.mark.parametrize("fault", [f for f in FAULTS if f.kind != GROUPED], ids=lambda fault: fault.name)
def test_fault_in_the_middle_of_a_small_network(fault: Fault, side: str) -> None:
    check_fault(fault, "basic", 0 if fault.kind == FIRST else 1, side)


@pytest.mark.parametrize("side", ["torch", "keras"])
def test_groups_in_another_order(side: str) -> None:
    check_fault(next(f for f in FAULTS if f.kind == GROUPED), "resnext", 1, side)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("side", ["torch", "keras"])
@pytest.mark.parametrize("family", list(CONFIGS))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_at_three_depths_of_three_variants(fault: Fault, family: str, side: str, depth: int) -> None:
    check_fault(fault, family, depth, side)


@pytest.mark.parametrize("family", list(CONFIGS))
def test_no_fault_no_cause(family: str) -> None:
    torch_model, keras_model, x = make(family)
    report = parity.check(torch_model, keras_model, x)
    assert report.ok
    assert report.first is None
    assert report.causes == ()
