"""Elements for tensors of any rank: activations, arithmetic with constants, shortcuts, concatenations."""

import math
from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

from .build import Element, Kind, Kit, Options, Run, Shape

L = keras.layers


class Clamped(nn.Module):
    """ReLU in a module of one's own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.clamp(x, min=0)


class OwnRelu(L.Layer):
    """ReLU in a layer of one's own."""

    def call(self, x: Any) -> Any:
        return ops.maximum(x, 0)


def _torch_ways(kit: Kit, o: Options) -> dict[str, list[Run]]:
    slope = o["slope"]
    return {
        "relu": [kit.add_lazily("relu", nn.ReLU), F.relu, lambda x: x.clamp(min=0), kit.add_lazily("relu", Clamped)],
        "leaky": [
            kit.add_lazily("leaky", nn.LeakyReLU, slope),
            lambda x: F.leaky_relu(x, slope),
            lambda x: torch.where(x > 0, x, slope * x),
            lambda x: torch.maximum(x, slope * x),
        ],
        "softplus": [
            kit.add_lazily("softplus", nn.Softplus, 1, 40),
            lambda x: torch.log1p(torch.exp(x)),
            lambda x: torch.logaddexp(x, torch.zeros_like(x)),
        ],
        "silu": [kit.add_lazily("silu", nn.SiLU), F.silu, lambda x: x * torch.sigmoid(x)],
        "gelu": [
            kit.add_lazily("gelu", nn.GELU),
            F.gelu,
            lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
        ],
        "gelu_tanh": [
            kit.add_lazily("gelu", nn.GELU, approximate="tanh"),
            lambda x: F.gelu(x, approximate="tanh"),
            lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ],
        "tanh": [kit.add_lazily("tanh", nn.Tanh), torch.tanh, lambda x: x.tanh()],
        "sigmoid": [kit.add_lazily("sigmoid", nn.Sigmoid), torch.sigmoid, lambda x: 1 / (1 + torch.exp(-x))],
        "relu6": [kit.add_lazily("relu6", nn.ReLU6), lambda x: x.clamp(0, 6), F.relu6],
        "elu": [kit.add_lazily("elu", nn.ELU), F.elu],
        "hardswish": [kit.add_lazily("hardswish", nn.Hardswish), lambda x: x * F.relu6(x + 3) / 6],
        "mish": [kit.add_lazily("mish", nn.Mish), lambda x: x * torch.tanh(F.softplus(x))],
        "none": [lambda x: x],
    }


def _keras_ways(kit: Kit, o: Options) -> dict[str, list[Run]]:
    slope = o["slope"]
    act = lambda name: [kit.add_lazily("act", L.Activation, name)]  # noqa: E731
    return {
        "relu": [
            kit.add_lazily("relu", L.ReLU),
            ops.relu,
            kit.add_lazily("relu", OwnRelu),
            lambda x: ops.maximum(x, 0),
            kit.add_lazily("relu", L.Lambda, ops.relu),
            *act("relu"),
            lambda x: keras.activations.relu(x),
        ],
        "leaky": [
            kit.add_lazily("leaky", L.LeakyReLU, negative_slope=slope),
            lambda x: ops.leaky_relu(x, slope),
            lambda x: ops.maximum(x, slope * x),
            lambda x: ops.relu(x) - slope * ops.relu(-x),
        ],
        "softplus": [
            *act("softplus"),
            ops.softplus,
            lambda x: ops.log(1 + ops.exp(x)),
            lambda x: ops.log1p(ops.exp(x)),
        ],
        "silu": [*act("silu"), ops.silu, lambda x: x * ops.sigmoid(x), lambda x: ops.sigmoid(x) * x],
        "gelu": [
            *act("gelu"),
            lambda x: ops.gelu(x, approximate=False),
            lambda x: 0.5 * x * (1 + ops.erf(x / math.sqrt(2))),
        ],
        "gelu_tanh": [
            lambda x: ops.gelu(x, approximate=True),
            lambda x: keras.activations.gelu(x, approximate=True),
            lambda x: 0.5 * x * (1 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ],
        "tanh": [*act("tanh"), ops.tanh, lambda x: 2 * ops.sigmoid(2 * x) - 1],
        "sigmoid": [*act("sigmoid"), ops.sigmoid, lambda x: 0.5 * (ops.tanh(x / 2) + 1)],
        "relu6": [*act("relu6"), kit.add_lazily("relu", L.ReLU, 6.0), lambda x: ops.clip(x, 0, 6), ops.relu6],
        "elu": [*act("elu"), ops.elu, lambda x: ops.where(x > 0, x, ops.exp(x) - 1)],
        "hardswish": [*act("hard_swish"), lambda x: x * ops.relu6(x + 3) / 6],
        "mish": [*act("mish"), lambda x: x * ops.tanh(ops.softplus(x))],
        "none": [lambda x: x, kit.add_lazily("same", L.Identity)],
    }


ACTIVATIONS = ("relu", "leaky", "softplus", "silu", "gelu", "gelu_tanh", "tanh", "sigmoid", "relu6", "elu",
               "hardswish", "mish")  # fmt: skip
OTHER = {"relu": "relu6", "silu": "mish", "gelu": "gelu_tanh", "gelu_tanh": "gelu", "relu6": "relu"}


def _act_faults(o: Options) -> dict[str, Options]:
    faults = {"no activation": o | {"name": "none"}, "another activation": o | {"name": OTHER.get(o["name"], "relu")}}
    if o["name"] == "leaky":
        faults["another slope"] = o | {"slope": o["slope"] * 1.1}
    if o["name"] in ("relu", "relu6"):
        del faults["another activation"]  # nothing may be beyond 6
    return faults


def _drawn_activation(draw: np.random.Generator, shape: Shape) -> tuple[Options, Shape]:
    return {"name": str(draw.choice(ACTIVATIONS)), "slope": float(draw.choice([0.01, 0.1, 0.2, 0.3]))}, shape


ACTIVATION = Kind(
    "activation",
    _drawn_activation,
    lambda kit, e: kit.one_of(*_torch_ways(kit, e.options)[e.options["name"]]),
    lambda kit, e: kit.one_of(*_keras_ways(kit, e.options)[e.options["name"]]),
    _act_faults,
)


def _torch_scale(kit: Kit, e: Element) -> Run:
    a, b = e.options["scale"], e.options["shift"]
    return kit.one_of(
        lambda x: x * a + b, lambda x: torch.add(torch.mul(x, a), b), lambda x: b + x / (1 / a),
        lambda x: (x + b / a) * a, lambda x: torch.tensor(a, dtype=x.dtype) * x + b,
    )  # fmt: skip


def _keras_scale(kit: Kit, e: Element) -> Run:
    a, b = e.options["scale"], e.options["shift"]
    exact = (
        float(np.float32(a)) == a and float(np.float32(b)) == b
    )  # Keras's Rescaling rounds them to float32 on TensorFlow
    return kit.one_of(
        lambda x: x * a + b,
        *([kit.add_lazily("scale", L.Rescaling, a, b)] if exact else []),
        kit.add_lazily("f", L.Lambda, lambda x: x * a + b),
        lambda x: ops.add(ops.multiply(x, a), b), lambda x: (x + b / a) * a,
    )  # fmt: skip


SCALE = Kind(
    "scale",
    lambda draw, shape: (
        {"scale": float(draw.choice([0.5, 2.0, 0.1, 1 / 3])), "shift": float(draw.choice([0, 0.25, -0.7]))},
        shape,
    ),
    _torch_scale,
    _keras_scale,
    lambda o: {"another scale": o | {"scale": o["scale"] * 1.001}, "another shift": o | {"shift": o["shift"] + 1e-4}},
)  # fmt: skip


def _chain(kit: Kit, parts: tuple[Element, ...], name: str, side: str) -> Run:
    runs = [getattr(part.kind, side)(kit.part(f"{name}{i}"), part) for i, part in enumerate(parts)]

    def run(x: Any) -> Any:
        for each in runs:
            x = each(x)
        return x

    return run


def _torch_residual(kit: Kit, e: Element) -> Run:
    way = _chain(kit, e.parts[0], "a", "torch")
    return kit.one_of(lambda x: x + way(x), lambda x: torch.add(way(x), x), lambda x: sum([way(x), x]))


def _keras_residual(kit: Kit, e: Element) -> Run:
    way = _chain(kit, e.parts[0], "a", "keras")
    if not e.options["added"]:
        return way
    add = kit.add("add", L.Add)
    return kit.one_of(lambda x: x + way(x), lambda x: ops.add(way(x), x), lambda x: add([x, way(x)]))


RESIDUAL = Kind(
    "residual", lambda draw, shape: ({"added": True}, shape), _torch_residual, _keras_residual,
    lambda o: {"no shortcut": o | {"added": False}},
)  # fmt: skip


def _torch_concat(kit: Kit, e: Element) -> Run:
    a, b = (_chain(kit, parts, name, "torch") for name, parts in zip("ab", e.parts, strict=True))
    return kit.one_of(
        lambda x: torch.cat([a(x), b(x)], e.options["axis"]),
        lambda x: torch.cat(tuple(f(x) for f in (a, b)), dim=e.options["axis"]),
    )


def _keras_concat(kit: Kit, e: Element) -> Run:
    a, b = (_chain(kit, parts, name, "keras") for name, parts in zip("ab", e.parts, strict=True))
    join = kit.add_lazily("join", L.Concatenate)
    joined = kit.one_of(join, lambda both: ops.concatenate(both, -1))
    if e.options["exchanged"]:
        return lambda x: joined([b(x), a(x)])
    return lambda x: joined([a(x), b(x)])


CONCAT = Kind(
    "concat", lambda draw, shape: ({"exchanged": False, "axis": 1 if len(shape) == 3 else -1}, shape),
    _torch_concat, _keras_concat, lambda o: {"order of a concatenation": o | {"exchanged": True}},
)  # fmt: skip


def _torch_gate(kit: Kit, e: Element) -> Run:
    a, b = (_chain(kit, parts, name, "torch") for name, parts in zip("ab", e.parts, strict=True))
    return kit.one_of(lambda x: torch.tanh(a(x)) * torch.sigmoid(b(x)), lambda x: torch.sigmoid(b(x)).mul(a(x).tanh()))


def _keras_gate(kit: Kit, e: Element) -> Run:
    a, b = (_chain(kit, parts, name, "keras") for name, parts in zip("ab", e.parts, strict=True))
    if e.options["exchanged"]:
        a, b = b, a
    times = kit.add("times", L.Multiply)
    return kit.one_of(
        lambda x: ops.tanh(a(x)) * ops.sigmoid(b(x)),
        lambda x: ops.sigmoid(b(x)) * ops.tanh(a(x)),
        lambda x: times([ops.tanh(a(x)), ops.sigmoid(b(x))]),
    )


GATE = Kind(
    "gate", lambda draw, shape: ({"exchanged": False}, shape), _torch_gate, _keras_gate,
    lambda o: {"towers exchanged": o | {"exchanged": True}},
)  # fmt: skip
