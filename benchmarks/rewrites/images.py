"""Elements for images, (N, C, H, W) in torch and (N, H, W, C) in Keras, and those that end one."""

from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

from .build import Element, Kind, Kit, Options, Run, Shape

L = keras.layers


def _size(size: int, o: Options) -> int:
    before, after = o["pads"]
    return int((size + before + after - o["dilation"] * (o["kernel"] - 1) - 1) // o["stride"] + 1)


def _drawn_conv(draw: np.random.Generator, shape: Shape) -> tuple[Options, Shape] | None:
    kernel, groups = int(draw.choice([1, 2, 3, 3, 3, 5])), int(draw.choice([1, 1, 1, 2]))
    pad = int(draw.integers(0, kernel // 2 + 1))
    o = {
        "kernel": kernel, "stride": int(draw.choice([1, 1, 2])), "pads": (pad, pad),
        "dilation": int(draw.choice([1, 1, 1, 2])) if kernel == 3 else 1,
        "groups": groups if shape[0] % groups == 0 else 1, "filters": int(draw.choice([2, 4, 6])),
        "bias": str(draw.choice(["both", "none", "keras zero"])),
    }  # fmt: skip
    after = (o["filters"], _size(shape[1], o), _size(shape[2], o))
    return (o, after) if min(after[1:]) >= 3 else None


def _torch_conv(kit: Kit, e: Element) -> Run:
    o = e.options
    before, after = o["pads"]
    base: Options = {
        "stride": o["stride"],
        "dilation": o["dilation"],
        "groups": o["groups"],
        "bias": o["bias"] == "both",
    }
    sizes = e.before[0], o["filters"], o["kernel"]
    inside = o["stride"] == 1 and o["kernel"] % 2 and before == after == o["dilation"] * (o["kernel"] // 2)
    way = kit.one_of("own", "layer", "function", *(["same"] if inside else []))
    if way == "same":
        return kit.add("conv", nn.Conv2d, *sizes, padding="same", **base)
    if way == "own":
        return kit.add("conv", nn.Conv2d, *sizes, padding=before, **base)
    conv = kit.add("conv", nn.Conv2d, *sizes, **base)
    pad: Run = kit.add("pad", nn.ZeroPad2d, before) if way == "layer" else lambda x: F.pad(x, (before, after) * 2)
    return lambda x: conv(pad(x))


def _keras_conv(kit: Kit, e: Element) -> Run:
    o = e.options
    pads = o["pads"]
    base: Options = {"strides": o["stride"], "dilation_rate": o["dilation"], "groups": o["groups"]}
    base["use_bias"] = o["bias"] != "none"
    inside = o["stride"] == 1 and o["kernel"] % 2 and pads[0] == pads[1] == o["dilation"] * (o["kernel"] // 2)
    plain = o["groups"] == 1
    ways = ["layer", "function", "lambda", *(["same"] if inside else []), *(["first"] if plain else [])]
    way = kit.one_of(*ways) if sum(pads) else kit.one_of("none", *(["dense"] if _pointwise(o) else []))
    if way == "same":
        return kit.add("conv", L.Conv2D, o["filters"], o["kernel"], padding="same", **base)
    conv = kit.add("conv", L.Conv2D, o["filters"], o["kernel"], **base)
    if way in ("none", "dense"):
        return conv
    return _behind_pad(kit, way, conv, pads)


def _pointwise(o: Options) -> bool:
    return o["kernel"] == 1 and o["stride"] == 1 and o["groups"] == 1


def _behind_pad(kit: Kit, way: str, conv: Run, pads: tuple[int, int]) -> Run:
    if way == "layer":
        pad = kit.add("pad", L.ZeroPadding2D, (pads, pads))
    elif way == "lambda":
        pad = kit.add("pad", L.Lambda, lambda x: ops.pad(x, ((0, 0), pads, pads, (0, 0))))
    elif way == "first":
        first = kit.add("pad", L.ZeroPadding2D, (pads, pads), data_format="channels_first")

        def pad(x: Any) -> Any:
            return ops.transpose(first(ops.transpose(x, (0, 3, 1, 2))), (0, 2, 3, 1))
    else:

        def pad(x: Any) -> Any:
            return ops.pad(x, ((0, 0), pads, pads, (0, 0)))

    return lambda x: conv(pad(x))


def _conv_faults(o: Options) -> dict[str, Options]:
    before, after = o["pads"]
    faults = {"padding moved": o | {"pads": (before - 1, after + 1)}} if before else {}
    if o["kernel"] > 1 and o["dilation"] == 1 and not before:
        pass
    return faults


CONV = Kind("conv", _drawn_conv, _torch_conv, _keras_conv, _conv_faults)


def _drawn_norm(draw: np.random.Generator, shape: Shape) -> tuple[Options, Shape]:
    kind = str(draw.choice(["batch", "batch", "group", "layer"]))
    groups = 2 if shape[0] % 2 == 0 else 1
    affine = bool(draw.random() < 0.8)
    o = {"norm": kind, "eps": float(draw.choice([1e-3, 1e-5])), "groups": groups, "affine": affine}
    return o | {"fill": bool(draw.random() < 0.5)}, shape


def _torch_norm(kit: Kit, e: Element) -> Run:
    o, channels = e.options, e.before[0]
    if o["norm"] == "batch":
        return kit.add("norm", nn.BatchNorm2d, channels, eps=o["eps"], affine=o["affine"])
    if o["norm"] == "group":
        return kit.add("norm", nn.GroupNorm, o["groups"], channels, eps=o["eps"], affine=o["affine"])
    norm = kit.add("norm", nn.LayerNorm, channels, eps=o["eps"], elementwise_affine=o["affine"])
    return kit.one_of(
        lambda x: norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        lambda x: norm(x.movedim(1, -1)).movedim(-1, 1),
        lambda x: norm(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape),
    )


def _keras_norm(kit: Kit, e: Element) -> Run:
    o = e.options
    given = o["affine"] or o["fill"]  # scale 1 and centre 0 where torch has none
    base = {"epsilon": o["eps"], "center": given, "scale": given}
    if o["norm"] == "batch":
        return kit.add("norm", L.BatchNormalization, momentum=0.9, **base)
    if o["norm"] == "group":
        return kit.add("norm", L.GroupNormalization, o["groups"], **base)
    norm = kit.add("norm", L.LayerNormalization, **base)
    tokens = (e.before[1] * e.before[2], e.before[0])
    image = (*e.before[1:], e.before[0])
    return kit.one_of(norm, lambda x: ops.reshape(norm(ops.reshape(x, (-1, *tokens))), (-1, *image)))


NORM = Kind("norm", _drawn_norm, _torch_norm, _keras_norm, lambda o: {"another eps": o | {"eps": o["eps"] * 1.5}})


def _drawn_pool(draw: np.random.Generator, shape: Shape) -> tuple[Options, Shape] | None:
    kernel, kind = int(draw.choice([2, 3])), str(draw.choice(["max", "avg"]))
    pad = int(draw.integers(0, 2)) if kernel == 3 and kind == "max" else 0
    o = {
        "pool": kind,
        "kernel": kernel,
        "stride": int(draw.integers(1, 3)),
        "pads": (pad, pad),
        "dilation": 1,
        "value": -np.inf,
    }
    after = (shape[0], _size(shape[1], o), _size(shape[2], o))
    return (o, after) if min(after[1:]) >= 3 else None


def _torch_pool(kit: Kit, e: Element) -> Run:
    o, pad = e.options, e.options["pads"][0]
    kernel, stride = o["kernel"], o["stride"]
    if o["pool"] == "avg":
        return kit.one_of(
            kit.add_lazily("pool", nn.AvgPool2d, kernel, stride), lambda x: F.avg_pool2d(x, kernel, stride)
        )
    return kit.one_of(
        kit.add_lazily("pool", nn.MaxPool2d, kernel, stride, pad),
        lambda x: F.max_pool2d(x, kernel, stride, pad),
        lambda x: F.max_pool2d(F.pad(x, (pad,) * 4, value=-torch.inf), kernel, stride),
    )


def _keras_pool(kit: Kit, e: Element) -> Run:
    o = e.options
    make, function = (L.MaxPooling2D, ops.max_pool) if o["pool"] == "max" else (L.AveragePooling2D, ops.average_pool)
    kernel, stride, pads = o["kernel"], o["stride"], o["pads"]
    pool = kit.one_of(kit.add_lazily("pool", make, kernel, stride), lambda x: function(x, kernel, stride))
    if not sum(pads):
        return pool
    return lambda x: pool(ops.pad(x, ((0, 0), pads, pads, (0, 0)), constant_values=o["value"]))


def _pool_faults(o: Options) -> dict[str, Options]:
    faults = {"another pool": o | {"pool": "avg" if o["pool"] == "max" else "max"}}
    if o["pads"][0]:
        faults = {"padding moved": o | {"pads": (0, 2)}}
    return faults


POOL = Kind("pool", _drawn_pool, _torch_pool, _keras_pool, _pool_faults)


def _drawn_up(draw: np.random.Generator, shape: Shape) -> tuple[Options, Shape]:
    o = {"filters": int(draw.choice([2, 4])), "kernel": 4, "stride": 2, "crop": (1, 1)}
    return o, (o["filters"], 2 * shape[1], 2 * shape[2])


def _torch_up(kit: Kit, e: Element) -> Run:
    o, sizes = e.options, (e.before[0], e.options["filters"], 4)
    if kit.one_of(True, False):
        return kit.add("up", nn.ConvTranspose2d, *sizes, stride=2, padding=1)
    up = kit.add("up", nn.ConvTranspose2d, *sizes, stride=2)
    low, high = o["crop"]
    return lambda x: up(x)[:, :, low:-high, low:-high]


def _keras_up(kit: Kit, e: Element) -> Run:
    o, crop = e.options, e.options["crop"]
    way = kit.one_of("same", "crop", "slice") if crop == (1, 1) else kit.one_of("crop", "slice")
    if way == "same":
        return kit.add("up", L.Conv2DTranspose, o["filters"], 4, strides=2, padding="same")
    up = kit.add("up", L.Conv2DTranspose, o["filters"], 4, strides=2)
    if way == "crop":
        cropping = kit.add("crop", L.Cropping2D, (crop, crop))
        return lambda x: cropping(up(x))
    ends = slice(crop[0], -crop[1] or None)
    return lambda x: up(x)[:, ends, ends]


UP = Kind("up", _drawn_up, _torch_up, _keras_up, lambda o: {"crop moved": o | {"crop": (2, 0)}})


def _torch_squeeze(kit: Kit, e: Element) -> Run:
    channels, inner = e.before[0], e.options["inner"]
    if kit.one_of(True, False):
        a, b = kit.add("down", nn.Linear, channels, inner), kit.add("up", nn.Linear, inner, channels)
        return lambda x: x * torch.sigmoid(b(F.relu(a(x.mean((2, 3))))))[:, :, None, None]
    a, b = kit.add("down", nn.Linear, channels, inner), kit.add("up", nn.Linear, inner, channels)
    return lambda x: b(a(F.adaptive_avg_pool2d(x, 1).flatten(1)).relu()).sigmoid().view(-1, channels, 1, 1) * x


def _keras_squeeze(kit: Kit, e: Element) -> Run:
    channels, o = e.before[0], e.options
    pool = kit.add("pool", L.GlobalAveragePooling2D, keepdims=True)
    a = kit.add("down", L.Dense, o["inner"], activation=o["act"])
    b = kit.add("up", L.Dense, channels, activation="sigmoid")
    return kit.one_of(
        lambda x: ops.multiply(x, b(a(pool(x)))),
        lambda x: x * ops.reshape(b(a(ops.mean(x, axis=(1, 2)))), (-1, 1, 1, channels)),
    )


SQUEEZE = Kind(
    "squeeze", lambda draw, shape: ({"inner": 3, "act": "relu"}, shape), _torch_squeeze, _keras_squeeze,
    lambda o: {"another gate": o | {"act": "tanh"}},
)  # fmt: skip
