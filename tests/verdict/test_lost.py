"""The forward check where float64 loses digits: no false alarm at any mean, and every fault that is larger is found."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as L, ops
from torch import nn

import parity
from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence
from parity.frameworks.torch.side import TorchSide
from parity.models.kinds import named
from parity.models.steps import Step
from parity.reports.terminal.check import text
from parity.verdict import rounding
from parity.verdict.anchors import Anchors
from parity.verdict.difference import Difference

MEANS = (0.0, 1.0, 10.0, 1e2, 1e3, 1e4, 1e5)
OFTEN = (0.0, 1e3, 1e5)  # the others in the exhaustive sweep alone


def sometimes(mean: float, *first: Any) -> Any:
    """A case, which `make test` leaves out for the means between."""
    return pytest.param(*first, mean, marks=() if mean in OFTEN else pytest.mark.slow)


EPS = 1e-5
NORMS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "batch": (lambda: nn.BatchNorm2d(4), lambda: L.BatchNormalization(epsilon=EPS, momentum=0.9, name="norm")),
    "group": (lambda: nn.GroupNorm(2, 4), lambda: L.GroupNormalization(2, epsilon=EPS, name="norm")),
    "instance": (
        lambda: nn.InstanceNorm2d(4, affine=True),
        lambda: L.GroupNormalization(-1, epsilon=EPS, name="norm"),
    ),
    "layer": (lambda: nn.LayerNorm(16), lambda: L.LayerNormalization(epsilon=EPS, name="norm")),
    "first": (lambda: nn.LayerNorm(6), lambda: L.LayerNormalization(epsilon=EPS, name="norm")),
    "softmax": (lambda: nn.Softmax(1), lambda: L.Softmax(name="norm")),
}


def pair(kind: str, mean: float) -> tuple[nn.Module, Any, Any]:
    """A layer whose bias is `mean`, a norm, and a dense layer, twice; "first": the input itself lies there."""
    torch.manual_seed(0)
    draw = np.random.default_rng(0)
    norm, keras_norm = (make() for make in NORMS[kind])
    torch_model, keras_model = nn.Sequential(), keras.Sequential()
    image = kind in ("batch", "group", "instance")
    x = draw.standard_normal((4, 3, 8, 8) if image else (8, 6))
    keras_model.add(keras.Input((8, 8, 3) if image else (6,)))
    if image:
        before, after, rest = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5), [L.GlobalAveragePooling2D()]
        first = L.Conv2D(4, 3, padding="same", name="first")
    else:
        before, after, rest, first = nn.Linear(6, 16), nn.Linear(16, 5), [], L.Dense(16, name="first")
    with torch.no_grad():
        before.bias.fill_(mean)
    if kind == "first":
        x, before, after = x + mean, nn.Identity(), nn.Linear(6, 5)
        first = L.Identity(name="first")
    tail = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()} if image else {}
    for name, layer in {"first": before, "norm": norm, **tail, "last": after}.items():
        torch_model.add_module(name, layer)
    for layer in (first, keras_norm, *rest, L.Dense(5, name="last")):
        keras_model.add(layer)
    TorchSide(torch_model).randomize(x, 0)
    if kind == "batch":
        with torch.no_grad():
            norm.running_mean.fill_(mean)
            norm.running_var.uniform_(0.2, 0.4)
    return torch_model, keras_model, x


def check(torch_model: nn.Module, keras_model: Any, x: Any) -> Any:
    return parity.check(torch_model, keras_model, x, weights="copy", dtype="float64")


@pytest.mark.parametrize("mean", [*map(sometimes, MEANS), 1e6])
@pytest.mark.parametrize("kind", NORMS)
def test_right_programs_match_at_every_mean(kind: str, mean: float) -> None:
    report = check(*pair(kind, mean))
    assert report.ok, text(report)


def wrong_epsilon(kind: str, norm: Any) -> None:
    norm.epsilon = 1.001e-5


def wrong_variance(kind: str, norm: Any) -> None:
    """The variance of n - 1, or of another mode; a batch norm takes its mean for its variance and back."""

    def call(x: Any, training: Any = None, mask: Any = None) -> Any:
        gamma, beta = (ops.cast(v, x.dtype) for v in (norm.gamma, norm.beta))
        if kind == "batch":
            mean, variance = (ops.cast(v, x.dtype) for v in (norm.moving_variance, norm.moving_mean))
            return (x - mean) / ops.sqrt(ops.abs(variance) + EPS) * gamma + beta
        shape = ops.shape(x)
        groups = {"group": 2, "instance": 4}.get(kind, 1)
        view = ops.reshape(x, (shape[0], -1, groups, shape[-1] // groups))
        count = 64 * 4 // groups if kind in ("group", "instance") else int(x.shape[-1])
        mean = ops.mean(view, (1, 3), keepdims=True)
        variance = ops.sum((view - mean) ** 2, (1, 3), keepdims=True) / (count - 1)
        return ops.reshape((view - mean) / ops.sqrt(variance + EPS), shape) * gamma + beta

    norm.call = call


FAULTS = [*(sometimes(mean, wrong_epsilon) for mean in MEANS), *((wrong_variance, mean) for mean in MEANS[::3])]


@pytest.mark.parametrize(("fault", "mean"), FAULTS)
@pytest.mark.parametrize("kind", [kind for kind in NORMS if kind != "softmax"])
def test_the_smallest_fault_is_found_and_named_at_every_mean(kind: str, fault: Any, mean: float) -> None:
    torch_model, keras_model, x = pair(kind, mean)
    fault(kind, keras_model.get_layer("norm"))
    report = check(torch_model, keras_model, x)
    assert [layer.path for layer in report.layers if layer.faults] == ["norm"], text(report)
    wrong = "mean and variance swapped" if kind == "batch" else "biased variance"
    assert [cause.name for cause in report.causes] == ["BN eps" if fault is wrong_epsilon else wrong]


def test_a_fault_behind_a_norm_that_magnifies_is_found() -> None:
    """The anchor takes nothing from what follows it."""
    torch_model, keras_model, x = pair("instance", 1e6)
    last = keras_model.get_layer("last")
    plain = last.call
    last.call = lambda x, training=None: plain(x) * (1 + 1e-9)
    report = check(torch_model, keras_model, x)
    assert report.first == "last", text(report)


def test_what_is_magnified_is_told() -> None:
    report = check(*pair("instance", 1e6))
    (norm,) = (layer for layer in report.layers if layer.path == "norm")
    assert norm.note is not None
    assert norm.note.startswith("magnifies what float64 has rounded before it to ")


def off(error: float) -> Difference:
    return Difference(error, (0,), 1.0, error**2, 1.0, 1)


def test_an_anchor_is_sound_and_has_only_rounding_to_magnify() -> None:
    step = {name: Step(name, "norm", np.zeros(1), [source]) for name, source in (("a", "input"), ("b", "a"))}
    steps = step | {"glue": Step("add", "add", np.zeros(1), feeds="c<0", origins=None)}
    for error, sound, anchor in ((1e-9, "ab", True), (1e-14, "ab", False), (1e-9, "b", False)):
        assert Anchors(sound).judge(steps["a"], off(error)).anchor is anchor
    behind = Anchors("ab")
    behind.judge(steps["a"], off(1e-9))
    assert behind.judge(steps["b"], off(1e-9)).anchor  # a went on with the other's numbers
    fault = Anchors("b")
    fault.judge(steps["a"], off(5e-12))  # less than the line, and no rounding: it may be a fault's
    assert not fault.judge(steps["b"], off(1e-9)).anchor
    assert not Anchors(["c<0"]).judge(steps["glue"], off(1e-9)).anchor  # of what it is made was not seen


def test_what_no_layer_makes_is_no_anchor_because_all_that_was_seen_is_rounded() -> None:
    """Fed the other side's numbers it is those; unless it was seen to add what float32 rounds."""
    ends = {
        "output": Step("output", "output", np.zeros(1), ["glue"]),
        "c<0": Step("gt", "gt", np.zeros(1), feeds="c<0", origins=None),
        "layer": Step("layer", "dense", np.zeros(1), ["glue"]),
    }
    for key, end in ends.items():
        for narrow in ((), (key,)):
            anchors = Anchors(("seen", key), narrow)
            anchors.judge(Step("seen", "norm", np.zeros(1), ["input"]), off(1e-14))
            assert anchors.judge(end, off(1.0)).anchor is (key == "layer" or bool(narrow)), (key, narrow)


@pytest.mark.parametrize("mean", MEANS[4:])
def test_a_variance_in_one_pass_is_a_difference_with_a_name(mean: float) -> None:
    """As Keras's torch backend sums it: thousands of times what two passes lose where the mean is 10,000 deviations."""
    x = 0.1 * np.random.default_rng(0).standard_normal((3, 4, 8, 8)) + mean
    norm = rounding.group_norm(x, None, EPS, 4)
    view, middle, variance = norm.moments()
    right = ((view - middle) / np.sqrt(variance + EPS)).reshape(x.shape)
    summed = (view * view).mean(norm.axes, keepdims=True) - middle * middle
    output = ((view - middle) / np.sqrt(np.abs(summed) + EPS)).reshape(x.shape)
    assert rounding.within(output, right, norm.lost()) is None
    config = Config(named("group_norm"), {}, {"eps": EPS, "norm_groups": 4})
    evidence = Evidence("norm", right, output, (x,), (config, config), lost=norm.lost())
    assert diagnose(evidence).name == "one-pass variance"
    shifted = ((view - middle) / np.sqrt(variance * 1.01 + EPS)).reshape(x.shape)  # far more than a sum loses
    assert diagnose(replace(evidence, keras=shifted)).name != "one-pass variance"
