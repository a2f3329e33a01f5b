"""Models that are one layer, or one function and no layer at all: equal pairs match, and faults are seen."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional

import parity
from parity.reports.terminal.check import text

Pair = tuple[nn.Module, keras.Model]
IMAGE, VOLUME, ROW = (2, 4, 6, 8), (2, 4, 6, 5, 4), (3, 5, 6)


class Function(nn.Module):
    """A function as a model."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self._function(x)


class Two(nn.Module):
    """What is joined goes into two layers, which are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = nn.Linear(6, 2), nn.Linear(6, 3), nn.Linear(5, 4), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([self.a(x), self.b(x)], -1)
        return torch.cat([self.c(joined), self.d(joined)], -1)


def net(shape: tuple[int, ...], *own: Any, dtype: str | None = None) -> keras.Model:
    return keras.Sequential([keras.Input(shape, dtype=dtype), *own])


def of(shape: tuple[int, ...], function: Callable[[Any], Any]) -> keras.Model:
    return net(shape, layers.Lambda(function))


def last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[2:], shape[1])


def two() -> keras.Model:
    x = keras.Input(ROW[1:])
    joined = layers.Concatenate()([layers.Dense(2)(x), layers.Dense(3)(x)])
    return keras.Model(x, layers.Concatenate()([layers.Dense(4)(joined), layers.Dense(3)(joined)]))


def shuffled(x: Any) -> Any:
    return ops.reshape(ops.transpose(ops.reshape(x, (-1, 6, 8, 2, 2)), (0, 1, 2, 4, 3)), (-1, 6, 8, 4))


def responses(radius: int) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        import tensorflow as tf

        return tf.nn.local_response_normalization(x, radius, bias=1.0, alpha=0.1, beta=0.75)

    return run


MEAN, VARIANCE = [0.1, 0.2, 0.3, 0.4], [0.25, 0.36, 0.49, 0.64]


def normalised(x: torch.Tensor) -> torch.Tensor:
    mean, deviation = (torch.tensor(values).view(1, 4, 1, 1) for values in (MEAN, VARIANCE))
    return (x - mean) / deviation.sqrt()


PADS = [[0, 0], [1, 1], [2, 2], [0, 0]]
# The input's shape; the pair.
EQUAL: dict[str, tuple[tuple[int, ...], Callable[[], Pair]]] = {
    "a layer alone": (
        IMAGE,
        lambda: (nn.Conv2d(4, 3, 3, padding=1), net(last(IMAGE), layers.Conv2D(3, 3, padding="same"))),
    ),
    "a depthwise one": (
        IMAGE,
        lambda: (nn.Conv2d(4, 8, 3, groups=4), net(last(IMAGE), layers.DepthwiseConv2D(3, depth_multiplier=2))),
    ),
    "a pad": (
        IMAGE,
        lambda: (nn.ReflectionPad2d((2, 2, 1, 1)), of(last(IMAGE), lambda x: ops.pad(x, PADS, "reflect"))),
    ),
    "a crop": (IMAGE, lambda: (nn.ConstantPad2d(-1, 0.0), net(last(IMAGE), layers.Cropping2D(1)))),
    "a shuffle": (IMAGE, lambda: (nn.ChannelShuffle(2), of(last(IMAGE), shuffled))),
    "a resize": (
        IMAGE,
        lambda: (
            nn.Upsample(scale_factor=2, mode="bilinear"),
            net(last(IMAGE), layers.UpSampling2D(interpolation="bilinear")),
        ),
    ),
    "a function": (ROW, lambda: (Function(lambda x: x.logsumexp(1)), of(ROW[1:], lambda x: ops.logsumexp(x, 1)))),
    "whole numbers": (ROW, lambda: (Function(lambda x: x.argmax(-1)), of(ROW[1:], lambda x: ops.argmax(x, -1)))),
    "repeated": ((3, 6), lambda: (Function(lambda x: x[:, None].expand(-1, 4, -1)), net((6,), layers.RepeatVector(4)))),
    "adaptive pools of volumes": (
        VOLUME,
        lambda: (nn.AdaptiveAvgPool3d((3, 2, 3)), net(last(VOLUME), layers.AdaptiveAveragePooling3D((3, 2, 3)))),
    ),
    "maxima of volumes": (
        VOLUME,
        lambda: (nn.AdaptiveMaxPool3d((4, 3, 2)), net(last(VOLUME), layers.AdaptiveMaxPooling3D((4, 3, 2)))),
    ),
    "no float64": (IMAGE, lambda: (nn.LocalResponseNorm(3, alpha=0.3, beta=0.75), of(last(IMAGE), responses(1)))),
    "float32 inside": (
        IMAGE,
        lambda: (Function(normalised), net(last(IMAGE), layers.Normalization(mean=MEAN, variance=VARIANCE))),
    ),
    "an epsilon of none": (ROW, lambda: (nn.RMSNorm(6), net(ROW[1:], layers.RMSNormalization(epsilon=2.0**-23)))),
    "what two work on": (ROW, lambda: (Two(), two())),
    "a flattened image as torch has it": (
        IMAGE,
        lambda: (nn.Flatten(), net(last(IMAGE), layers.Permute((3, 1, 2)), layers.Flatten())),
    ),
}
FAULTS: dict[str, tuple[tuple[int, ...], Callable[[], Pair], str]] = {
    "a flattened image": (IMAGE, lambda: (nn.Flatten(), net(last(IMAGE), layers.Flatten())), "order of the axes"),
    "another pad": (
        IMAGE,
        lambda: (nn.ReflectionPad2d((2, 2, 1, 1)), of(last(IMAGE), lambda x: ops.pad(x, PADS, "symmetric"))),
        "padding mode",
    ),
    "another crop": (IMAGE, lambda: (Function(lambda x: x[:, :, 2:, 2:]), net(last(IMAGE), layers.Cropping2D(1))), ""),
    "another radius": (
        IMAGE,
        lambda: (nn.LocalResponseNorm(5, alpha=0.5, beta=0.75), of(last(IMAGE), responses(1))),
        "unknown",
    ),
    "another epsilon": (ROW, lambda: (nn.RMSNorm(6, eps=1e-3), net(ROW[1:], layers.RMSNormalization())), "BN eps"),
    "another axis": (ROW, lambda: (Function(lambda x: functional.softmax(x, 1)), net(ROW[1:], layers.Softmax())), ""),
    "a feature alone": (ROW, lambda: (Function(lambda x: x[:, -1]), of(ROW[1:], lambda x: x[:, 0])), ""),
}


def drawn(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("case", EQUAL)
def test_equal_ones_match(case: str) -> None:
    shape, make = EQUAL[case]
    report = parity.check(*make(), drawn(shape), weights="copy", gradients=case not in ("whole numbers",))
    assert report.ok, text(report)


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_seen(case: str) -> None:
    shape, make, cause = FAULTS[case]
    report = parity.check(*make(), drawn(shape), weights="copy")
    assert not report.ok
    assert cause in report.causes[0].name, text(report)


def test_ids_that_fill_up_stay_at_the_end() -> None:
    """A second draw that had them in between would not be what a packed sequence is for."""

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.rnn = nn.Embedding(9, 4), nn.GRU(4, 3, batch_first=True)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            lengths = (ids != 0).sum(1).cpu()
            pack = nn.utils.rnn.pack_padded_sequence(self.table(ids), lengths, True, enforce_sorted=False)
            return self.rnn(pack)[1][-1]  # type: ignore[no-any-return]

    ids = np.array([[3, 1, 4, 1, 5], [2, 6, 5, 0, 0], [8, 7, 0, 0, 0]])
    for masked in (True, False):
        model = net((5,), layers.Embedding(9, 4, mask_zero=masked), layers.GRU(3), dtype="int32")
        assert parity.check(Packed(), model, ids, weights="copy").ok is masked
