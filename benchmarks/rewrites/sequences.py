"""Elements that mix tokens, (N, T, C) in both frameworks: attention and causal convolutions."""

from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

from .build import Element, Kind, Kit, Options, Run, Shape

L = keras.layers


def _torch_attention(kit: Kit, e: Element) -> Run:
    (t, c), o = e.before, e.options
    heads, size = o["heads"], c // o["heads"]
    qkv, out = kit.add("qkv", nn.Linear, c, 3 * c), kit.add("out", nn.Linear, c, c)

    def split(x: torch.Tensor) -> Any:
        return qkv(x).reshape(-1, t, 3, heads, size).permute(2, 0, 3, 1, 4).unbind(0)

    def chunked(x: torch.Tensor) -> Any:
        return [part.view(-1, t, heads, size).transpose(1, 2) for part in qkv(x).chunk(3, -1)]

    def by_function(x: torch.Tensor) -> Any:
        mixed = F.scaled_dot_product_attention(*split(x), is_causal=o["causal"])
        return out(mixed.transpose(1, 2).reshape(-1, t, c))

    def by_hand(x: torch.Tensor) -> Any:
        q, k, v = chunked(x)
        scores = q @ k.transpose(-2, -1) * size**-0.5
        if o["causal"]:
            hidden = torch.triu(torch.ones(t, t, dtype=torch.bool, device=x.device), 1)
            scores = scores.masked_fill(hidden, -torch.inf)
        return out((scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, t, c))

    def by_einsum(x: torch.Tensor) -> Any:
        q, k, v = split(x)
        scores = torch.einsum("bhqd,bhkd->bhqk", q / size**0.5, k)
        if o["causal"]:
            scores = scores + torch.full((t, t), -1e9, dtype=x.dtype).triu(1)
        return out(torch.einsum("bhqk,bhkd->bqhd", torch.softmax(scores, -1), v).flatten(2))

    return kit.one_of(by_function, by_hand, by_einsum)


def _keras_attention(kit: Kit, e: Element) -> Run:
    (t, c), o = e.before, e.options
    heads, size = o["heads"], c // o["heads"]
    qkv, out = kit.add("qkv", L.Dense, 3 * c), kit.add("out", L.Dense, c)
    hidden = np.triu(np.full((t, t), -1e9), 1) if o["causal"] else np.zeros((t, t))

    def by_hand(x: Any) -> Any:
        parts = ops.transpose(ops.reshape(qkv(x), (-1, t, 3, heads, size)), (2, 0, 3, 1, 4))
        q, k, v = parts[0], parts[1], parts[2]
        scores = ops.matmul(q, ops.swapaxes(k, -1, -2)) * o["scale"] + ops.cast(hidden, x.dtype)
        return out(ops.reshape(ops.transpose(ops.matmul(ops.softmax(scores), v), (0, 2, 1, 3)), (-1, t, c)))

    def by_einsum(x: Any) -> Any:
        q, k, v = (ops.reshape(part, (-1, t, heads, size)) for part in ops.split(qkv(x), 3, -1))
        scores = ops.einsum("bqhd,bkhd->bhqk", q * o["scale"], k) + ops.cast(hidden, x.dtype)
        return out(ops.reshape(ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores, -1), v), (-1, t, c)))

    return kit.one_of(by_hand, by_einsum)


def _drawn_attention(draw: np.random.Generator, shape: Shape) -> tuple[Options, Shape] | None:
    heads = int(draw.choice([1, 2]))
    if shape[1] % heads or shape[0] > 30:
        return None
    return {"heads": heads, "scale": (shape[1] // heads) ** -0.5, "causal": bool(draw.random() < 0.5)}, shape


ATTENTION = Kind(
    "attention", _drawn_attention, _torch_attention, _keras_attention,
    lambda o: {"another scale": o | {"scale": o["scale"] * 1.1}, "another mask": o | {"causal": not o["causal"]}},
)  # fmt: skip


def _torch_causal(kit: Kit, e: Element) -> Run:
    o = e.options
    left = o["dilation"] * 2
    sizes = e.before[1], o["units"], 3
    if kit.one_of(True, False):  # chomp: padded at both ends and cut at the later one
        conv = kit.add("conv", nn.Conv1d, *sizes, padding=left, dilation=o["dilation"])
        return lambda x: conv(x.transpose(1, 2))[:, :, :-left].transpose(1, 2)
    conv = kit.add("conv", nn.Conv1d, *sizes, dilation=o["dilation"])
    return lambda x: conv(F.pad(x.mT, (left, 0))).mT


def _keras_causal(kit: Kit, e: Element) -> Run:
    o = e.options
    left = o["dilation"] * 2
    base = {"dilation_rate": o["dilation"]}
    if not o["shifted"] and kit.one_of(True, False):
        return kit.add("conv", L.Conv1D, o["units"], 3, padding="causal", **base)
    conv = kit.add("conv", L.Conv1D, o["units"], 3, **base)
    pads = (left - 1, 1) if o["shifted"] else (left, 0)
    pad = kit.add("pad", L.ZeroPadding1D, pads)
    return kit.one_of(lambda x: conv(pad(x)), lambda x: conv(ops.pad(x, ((0, 0), pads, (0, 0)))))


CAUSAL = Kind(
    "causal",
    lambda draw, shape: (
        {"units": (units := int(draw.choice([2, 4]))), "dilation": int(draw.choice([1, 2])), "shifted": False},
        (shape[0], units),
    ),
    _torch_causal,
    _keras_causal,
    lambda o: {"padding moved": o | {"shifted": True}},
)
