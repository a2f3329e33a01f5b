"""Elements for tokens, (N, T, C) in both frameworks, and for vectors, (N, C); and what makes them of images."""

from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

from .build import Element, Kind, Kit, Options, Run, Shape

L = keras.layers


def _torch_tokens(kit: Kit, e: Element) -> Run:
    c, h, w = e.before
    return kit.one_of(
        lambda x: x.flatten(2).transpose(1, 2),
        lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], h * w, c),
        lambda x: x.contiguous().view(-1, c, h * w).mT,
    )


def _keras_tokens(kit: Kit, e: Element) -> Run:
    c, h, w = e.before
    reshape = kit.add("tokens", L.Reshape, (h * w, c))
    return kit.one_of(reshape, lambda x: ops.reshape(x, (-1, h * w, c)))


TOKENS = Kind(
    "tokens", lambda draw, shape: ({}, (shape[1] * shape[2], shape[0])), _torch_tokens, _keras_tokens
)  # fmt: skip


def _torch_flat(kit: Kit, e: Element) -> Run:
    if e.options["mean"]:
        axes = tuple(range(2, 4)) if len(e.before) == 3 else (1,)
        if len(e.before) == 2:
            return lambda x: x.mean(1)
        return kit.one_of(
            lambda x: x.mean(axes),
            lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1),
            lambda x: x.mean(3).mean(2),
            lambda x: x.flatten(2).mean(-1),
            lambda x: x.sum((2, 3)) / (x.shape[2] * x.shape[3]),
            lambda x: F.avg_pool2d(x, x.shape[2:])[:, :, 0, 0],
        )
    return kit.one_of(
        kit.add_lazily("flat", nn.Flatten),
        lambda x: x.contiguous().view(x.size(0), -1), lambda x: x.reshape(len(x), -1),
        lambda x: x.flatten(2).flatten(1),
    )  # fmt: skip


def _keras_flat(kit: Kit, e: Element) -> Run:
    o = e.options
    if o["mean"]:
        image = len(e.before) == 3
        pool = kit.add_lazily("pool", L.GlobalAveragePooling2D if image else L.GlobalAveragePooling1D)
        axes = (1, 2) if image else 1
        return kit.one_of(
            pool, lambda x: ops.mean(x, axis=axes), kit.add_lazily("mean", L.Lambda, lambda x: ops.mean(x, axis=axes))
        )
    size = int(np.prod(e.before))
    if len(e.before) == 3 and o["turned"]:
        turn = kit.add("turn", L.Permute, (3, 1, 2))
        return kit.one_of(
            lambda x: ops.reshape(turn(x), (-1, size)),
            lambda x: ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, size)),
        )
    return kit.one_of(kit.add_lazily("flat", L.Flatten), lambda x: ops.reshape(x, (-1, size)))


FLAT = Kind(
    "flat",
    lambda draw, shape: (
        {"mean": bool(draw.random() < 0.5), "turned": bool(draw.random() < 0.4)},
        (shape[0],),
    ),
    _torch_flat,
    _keras_flat,
)


def _torch_linear(kit: Kit, e: Element) -> Run:
    linear = kit.add("linear", nn.Linear, e.before[-1], e.options["units"], bias=e.options["bias"])
    if len(e.before) == 2:
        c = e.before[-1]
        return kit.one_of(
            linear, lambda x: linear(x.reshape(-1, c)).reshape(x.shape[0], -1, e.options["units"]),
            lambda x: F.linear(x, linear.weight, linear.bias) if False else linear(x),
        )  # fmt: skip
    return linear


def _keras_linear(kit: Kit, e: Element) -> Run:
    o = e.options
    return kit.add("linear", L.Dense, o["units"], use_bias=o["bias"] or o["filled"])


def _drawn_linear(draw: np.random.Generator, shape: Shape) -> tuple[Options, Shape]:
    units = int(draw.choice([3, 4, 6]))
    o = {"units": units, "bias": bool(draw.random() < 0.7), "filled": bool(draw.random() < 0.5)}
    return o, (*shape[:-1], units)


LINEAR = Kind("linear", _drawn_linear, _torch_linear, _keras_linear)


def _torch_layer_norm(kit: Kit, e: Element) -> Run:
    o = e.options
    if not o["affine"]:
        eps = o["eps"]
        return kit.one_of(
            kit.add_lazily("norm", nn.LayerNorm, e.before[-1], eps=eps, elementwise_affine=False),
            lambda x: F.layer_norm(x, x.shape[-1:], eps=eps),
            lambda x: (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + eps),
        )
    return kit.add("norm", nn.LayerNorm, e.before[-1], eps=o["eps"])


def _keras_layer_norm(kit: Kit, e: Element) -> Run:
    o = e.options
    if o["affine"]:
        return kit.add("norm", L.LayerNormalization, epsilon=o["eps"])

    def by_hand(x: Any) -> Any:
        mean, var = ops.moments(x, axes=-1, keepdims=True)
        return (x - mean) * ops.rsqrt(var + o["eps"])

    plain = kit.add_lazily("norm", L.LayerNormalization, epsilon=o["eps"], center=False, scale=False)
    return kit.one_of(plain, by_hand, kit.add_lazily("norm", L.Lambda, by_hand))


LAYER_NORM = Kind(
    "layer norm",
    lambda draw, shape: ({"eps": float(draw.choice([1e-3, 1e-5])), "affine": bool(draw.random() < 0.6)}, shape),
    _torch_layer_norm,
    _keras_layer_norm,
    lambda o: {"another eps": o | {"eps": o["eps"] * 1.5}},
)


def _torch_vector_norm(kit: Kit, e: Element) -> Run:
    return kit.add("norm", nn.BatchNorm1d, e.before[0], eps=e.options["eps"])


VECTOR_NORM = Kind(
    "vector norm",
    lambda draw, shape: ({"eps": float(draw.choice([1e-3, 1e-5]))}, shape),
    _torch_vector_norm,
    lambda kit, e: kit.add("norm", L.BatchNormalization, momentum=0.9, epsilon=e.options["eps"]),
    lambda o: {"another eps": o | {"eps": o["eps"] * 1.5}},
)


def _torch_film(kit: Kit, e: Element) -> Run:
    """The second input, (N, 3), scales and shifts."""
    c = e.before[0] if len(e.before) == 3 else e.before[-1]
    film = kit.add("film", nn.Linear, 3, 2 * c)

    def split(x: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale, shift = film(z).chunk(2, 1)
        if x.ndim == 4:
            return scale[:, :, None, None], shift.view(-1, c, 1, 1)
        return (scale.unsqueeze(1), shift.unsqueeze(1)) if x.ndim == 3 else (scale, shift)

    def run(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        scale, shift = split(x, z)
        return x * (1 + scale) + shift

    return run


def _keras_film(kit: Kit, e: Element) -> Run:
    c = e.before[0] if len(e.before) == 3 else e.before[-1]
    film = kit.add("film", L.Dense, 2 * c)
    ones = (1,) * (len(e.before) - 1)
    order = (1, 0) if e.options["exchanged"] else (0, 1)

    def run(x: Any, z: Any) -> Any:
        parts = ops.split(ops.reshape(film(z), (-1, *ones, 2 * c)), 2, axis=-1)
        return x + x * parts[order[0]] + parts[order[1]]

    return run


FILM = Kind(
    "film", lambda draw, shape: ({"exchanged": False}, shape), _torch_film, _keras_film,
    lambda o: {"scale and shift exchanged": o | {"exchanged": True}},
)  # fmt: skip


EMBEDDING = Kind(
    "embedding",
    lambda draw, shape: ({"units": 4}, (*shape, 4)),
    lambda kit, e: kit.add("words", nn.Embedding, 11, 4),
    lambda kit, e: kit.add("words", L.Embedding, 11, 4),
)


def _torch_lookback(kit: Kit, e: Element) -> Run:
    return kit.one_of(lambda x: x.cumsum(1), lambda x: torch.cumsum(x, dim=1))


LOOKBACK = Kind(
    "lookback",
    lambda draw, shape: ({"axis": 1}, shape),
    _torch_lookback,
    lambda kit, e: kit.one_of(
        lambda x: ops.cumsum(x, axis=e.options["axis"]),
        kit.add_lazily("sums", L.Lambda, lambda x: ops.cumsum(x, axis=e.options["axis"])),
    ),
    lambda o: {"wrong axis": o | {"axis": 2}},
)
