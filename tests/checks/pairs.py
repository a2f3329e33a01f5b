"""Tiny pairs of models, one pair for each kind of layer: what must match, and a fault in it that must not."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from torch import nn


@dataclass(frozen=True)
class Case:
    """torch's layers, Keras's, and Keras's with one fault; `shape` is the input's, in torch's order."""

    name: str
    torch: Callable[[], list[nn.Module]]
    keras: Callable[[], list[Any]]
    wrong: Callable[[], list[Any]]
    shape: tuple[int, ...]
    integer: int = 0  # inputs are whole numbers below this
    scale: float = 1.0  # of the input
    sequence: bool = False  # whether the axes lie alike in both: (steps, features)

    def models(self, wrong: bool = False) -> tuple[nn.Module, keras.Model]:
        """Both models, Keras's built for the shape; its weights are its own."""
        return nn.Sequential(*self.torch()).eval(), sequential(
            self.wrong() if wrong else self.keras(), self.shape, not self.sequence
        )

    def input(self) -> np.ndarray:
        draw = np.random.default_rng(0)
        if self.integer:
            return draw.integers(0, self.integer, (3, *self.shape))
        return draw.standard_normal((3, *self.shape)) * self.scale


def sequential(made: list[Any], shape: tuple[int, ...], moved: bool = True) -> keras.Sequential:
    last = (*shape[1:], shape[0]) if len(shape) > 1 and moved else shape
    return keras.Sequential([keras.Input(last), *made])


def randomized(model: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter and running statistic random, variances positive: nothing neutral hides a fault."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=draw)
                tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values * 0.5 + 0.3)
    return model


def one(maker: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[[], list[Any]]:
    return lambda: [maker(*args, **kwargs)]


def pooled(name: str, keepdims: bool) -> list[Any]:
    return [getattr(layers, name)(keepdims=keepdims), layers.Flatten()]


class DepthToSpace(layers.Layer):
    """Keras's operation as a layer: channels are (2, 2, C)."""

    def call(self, x: Any) -> Any:
        return keras.ops.nn.depth_to_space(x, 2)


class PixelShuffle(DepthToSpace):
    """The same of channels in torch's order, (C, 2, 2)."""

    def call(self, x: Any) -> Any:
        *grid, channels = x.shape[1:]
        parted = keras.ops.reshape(x, (-1, *grid, channels // 4, 4))
        return super().call(keras.ops.reshape(keras.ops.swapaxes(parted, -1, -2), (-1, *grid, channels)))


IMAGE, LINE, VOLUME = (4, 7, 6), (4, 9), (4, 5, 6, 4)
Conv2D = partial(layers.Conv2D, 6, 3)
BN = partial(layers.BatchNormalization, epsilon=1e-5, momentum=0.9)
activation = partial(one, layers.Activation)

CASES = [
    Case("conv1d", one(nn.Conv1d, 4, 6, 3, 2), one(layers.Conv1D, 6, 3, 2), one(layers.Conv1D, 6, 3, 1), LINE),
    Case(
        "conv1d same",
        one(nn.Conv1d, 4, 6, 3, padding="same", dilation=2),
        one(layers.Conv1D, 6, 3, padding="same", dilation_rate=2),
        one(layers.Conv1D, 6, 3, padding="causal", dilation_rate=2),
        LINE,
    ),
    Case("conv2d", one(nn.Conv2d, 4, 6, 3), one(Conv2D), one(Conv2D, use_bias=False), IMAGE),
    Case(
        "conv2d groups",
        one(nn.Conv2d, 4, 6, 3, groups=2, padding=1),
        one(Conv2D, groups=2, padding="same"),
        one(Conv2D, padding="same"),
        IMAGE,
    ),
    Case(
        "conv3d",
        one(nn.Conv3d, 4, 6, (3, 2, 3), bias=False),
        one(layers.Conv3D, 6, (3, 2, 3), use_bias=False),
        one(layers.Conv3D, 6, (3, 2, 3), strides=2, use_bias=False),
        VOLUME,
    ),
    Case(
        "depthwise",
        one(nn.Conv2d, 4, 4, 3, groups=4, padding=1),
        one(layers.DepthwiseConv2D, 3, padding="same"),
        one(layers.DepthwiseConv2D, 3, padding="same", use_bias=False),
        IMAGE,
    ),
    Case(
        "depthwise multiplier",
        one(nn.Conv2d, 4, 12, (3, 2), groups=4),
        one(layers.DepthwiseConv2D, (3, 2), depth_multiplier=3),
        one(layers.DepthwiseConv2D, (3, 2), depth_multiplier=2),
        IMAGE,
    ),
    Case(
        "depthwise1d",
        one(nn.Conv1d, 4, 8, 3, groups=4),
        one(layers.DepthwiseConv1D, 3, depth_multiplier=2),
        one(layers.DepthwiseConv1D, 3, depth_multiplier=2, padding="same"),
        LINE,
    ),
    Case(
        "separable",
        lambda: [nn.Conv2d(4, 8, 3, groups=4, bias=False), nn.Conv2d(8, 5, 1)],
        one(layers.SeparableConv2D, 5, 3, depth_multiplier=2),
        one(layers.SeparableConv2D, 5, 3, depth_multiplier=2, use_bias=False),
        IMAGE,
    ),
    Case(
        "separable1d",
        lambda: [nn.Conv1d(4, 4, 3, groups=4, bias=False), nn.Conv1d(4, 5, 1), nn.ReLU()],
        one(layers.SeparableConv1D, 5, 3, activation="relu"),
        one(layers.SeparableConv1D, 5, 3),
        LINE,
    ),
    Case(
        "transposed",
        one(nn.ConvTranspose2d, 4, 6, 3, 2),
        one(layers.Conv2DTranspose, 6, 3, 2),
        one(layers.Conv2DTranspose, 6, 3, 2, padding="same"),
        IMAGE,
    ),
    Case(
        "transposed same",
        one(nn.ConvTranspose2d, 4, 6, 4, 2, padding=1),
        one(layers.Conv2DTranspose, 6, 4, 2, padding="same"),
        one(layers.Conv2DTranspose, 6, 4, 2),
        IMAGE,
    ),
    Case(
        "transposed1d",
        one(nn.ConvTranspose1d, 4, 6, 2, 3, output_padding=1),
        one(layers.Conv1DTranspose, 6, 2, 3),
        one(layers.Conv1DTranspose, 6, 2, 2),
        LINE,
    ),
    Case(
        "transposed3d",
        one(nn.ConvTranspose3d, 4, 3, 2, 2),
        one(layers.Conv3DTranspose, 3, 2, 2),
        one(layers.Conv3DTranspose, 3, 2, 2, use_bias=False),
        VOLUME,
    ),
    Case("dense", one(nn.Linear, 7, 5), one(layers.Dense, 5), one(layers.Dense, 5, activation="relu"), (7,)),
    Case(
        "dense on a sequence",
        lambda: [nn.Linear(9, 5), nn.LayerNorm(5), nn.GELU()],
        lambda: [layers.Dense(5), layers.LayerNormalization(epsilon=1e-5), layers.Activation("gelu")],
        lambda: [layers.Dense(5), layers.LayerNormalization(epsilon=1.001e-5), layers.Activation("gelu")],
        LINE,
        sequence=True,
    ),
    Case(
        "embedding",
        one(nn.Embedding, 11, 6),
        one(layers.Embedding, 11, 6),
        one(layers.Embedding, 12, 6),
        (5,),
        11,
    ),
    Case("batch norm 1d", one(nn.BatchNorm1d, 4), one(BN), one(BN, epsilon=1e-3), LINE),
    Case("batch norm of a vector", one(nn.BatchNorm1d, 7), one(BN), one(BN, momentum=0.99), (7,)),
    Case("batch norm 3d", one(nn.BatchNorm3d, 4), one(BN), one(BN, epsilon=1.001e-5), VOLUME),
    Case(
        "group norm",
        one(nn.GroupNorm, 2, 4),
        one(layers.GroupNormalization, 2, epsilon=1e-5),
        one(layers.GroupNormalization, 4, epsilon=1e-5),
        IMAGE,
    ),
    Case(
        "instance norm",
        one(nn.InstanceNorm2d, 4, affine=True),
        one(layers.GroupNormalization, -1, epsilon=1e-5),
        one(layers.GroupNormalization, -1, epsilon=1e-3),
        IMAGE,
    ),
    Case(
        "layer norm",
        one(nn.LayerNorm, 9),
        one(layers.LayerNormalization, epsilon=1e-5),
        one(layers.LayerNormalization, epsilon=1e-3),
        LINE,
        sequence=True,
    ),
    Case(
        "rms norm",
        one(nn.RMSNorm, 9, 1e-6),
        one(layers.RMSNormalization, epsilon=1e-6),
        one(layers.RMSNormalization, epsilon=1e-3),
        LINE,
        sequence=True,
    ),
    *(
        Case(
            f"{name} pool {rank}d",
            one(getattr(nn, f"{pool}Pool{rank}d"), 3, 2),
            one(getattr(layers, f"{kpool}Pooling{rank}D"), 3, 2),
            one(getattr(layers, f"{kpool}Pooling{rank}D"), 3, 2, padding="same"),
            shape,
        )
        for name, pool, kpool in (("max", "Max", "Max"), ("avg", "Avg", "Average"))
        for rank, shape in ((1, LINE), (2, IMAGE), (3, (4, 6, 7, 5)))
    ),
    Case(
        "max pool 3d, padded",
        one(nn.MaxPool3d, 3, 1, 1),
        one(layers.MaxPooling3D, 3, 1, "same"),
        one(layers.MaxPooling3D, 3, 1),
        VOLUME,
    ),
    Case(
        "avg pool 3d, padded",
        one(nn.AvgPool3d, 3, 1, 1, count_include_pad=False),
        one(layers.AveragePooling3D, 3, 1, "same"),
        one(layers.MaxPooling3D, 3, 1, "same"),
        VOLUME,
    ),
    *(
        Case(
            f"global {name} pool {rank}d",
            lambda t=f"Adaptive{torch_name}Pool{rank}d": [getattr(nn, t)(1), nn.Flatten()],
            lambda k=f"Global{keras_name}Pooling{rank}D", keep=rank == 2: pooled(k, keep),
            lambda k=f"Global{other}Pooling{rank}D", keep=rank == 2: pooled(k, keep),
            shape,
        )
        for name, torch_name, keras_name, other in (("max", "Max", "Max", "Average"), ("avg", "Avg", "Average", "Max"))
        for rank, shape in ((1, LINE), (2, IMAGE), (3, VOLUME))
    ),
    *(
        Case(
            f"adaptive {name} pool",
            one(getattr(nn, f"Adaptive{torch_name}Pool2d"), (3, 2)),
            one(getattr(layers, f"Adaptive{keras_name}Pooling2D"), (3, 2)),
            one(getattr(layers, f"Adaptive{other}Pooling2D"), (3, 2)),
            IMAGE,
        )
        for name, torch_name, keras_name, other in (("max", "Max", "Max", "Average"), ("avg", "Avg", "Average", "Max"))
    ),
    Case(
        "upsample nearest",
        one(nn.Upsample, scale_factor=2),
        one(layers.UpSampling2D, 2),
        one(layers.UpSampling2D, 2, interpolation="bilinear"),
        IMAGE,
    ),
    Case("upsample 1d", one(nn.Upsample, scale_factor=3), one(layers.UpSampling1D, 3), one(layers.Identity), LINE),
    Case("upsample 3d", one(nn.Upsample, scale_factor=2), one(layers.UpSampling3D, 2), one(layers.Identity), VOLUME),
    Case(
        "upsample bilinear",
        one(nn.Upsample, scale_factor=3, mode="bilinear"),
        one(layers.UpSampling2D, 3, interpolation="bilinear"),
        one(layers.UpSampling2D, 3),
        IMAGE,
    ),
    Case(
        "pixel shuffle",
        one(nn.PixelShuffle, 2),
        one(PixelShuffle),
        one(DepthToSpace),  # the channels in TensorFlow's order
        (8, 5, 6),
    ),
    Case(
        "zero pad 1d",
        one(nn.ZeroPad1d, (1, 2)),
        one(layers.ZeroPadding1D, (1, 2)),
        one(layers.ZeroPadding1D, (2, 1)),
        LINE,
    ),
    Case(
        "zero pad 2d",
        one(nn.ZeroPad2d, (1, 2, 3, 0)),
        one(layers.ZeroPadding2D, ((3, 0), (1, 2))),
        one(layers.ZeroPadding2D, ((0, 3), (1, 2))),
        IMAGE,
    ),
    Case(
        "zero pad 3d",
        one(nn.ZeroPad3d, 1),
        one(layers.ZeroPadding3D, 1),
        one(layers.ZeroPadding3D, ((2, 0), (1, 1), (1, 1))),
        VOLUME,
    ),
    Case(
        "flatten",
        lambda: [nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(6 * 5 * 4, 3)],
        lambda: [Conv2D(), layers.Flatten(), layers.Dense(3)],
        lambda: [Conv2D(), layers.Permute((2, 1, 3)), layers.Flatten(), layers.LeakyReLU(0.5), layers.Dense(3)],
        IMAGE,
    ),
    *(
        Case(
            name,
            one(ours, 4, 5, batch_first=True, bias=bias),
            one(theirs, 5, return_sequences=True, use_bias=bias),
            one(theirs, 5, return_sequences=True, use_bias=bias, go_backwards=True),
            (6, 4),
            sequence=True,
        )
        for name, ours, theirs, bias in (
            ("lstm", nn.LSTM, layers.LSTM, False),  # two biases come back as their sum, see test_recurrent.py
            ("gru", nn.GRU, layers.GRU, True),
            ("rnn", nn.RNN, layers.SimpleRNN, False),
        )
    ),
    Case("relu", one(nn.ReLU), one(layers.ReLU), one(layers.ReLU, max_value=1.0), IMAGE),
    Case("relu6", one(nn.ReLU6), one(layers.ReLU, 6), one(layers.ReLU), IMAGE, scale=5),
    Case("relu6 by name", one(nn.ReLU6), activation("relu6"), activation("relu"), IMAGE, scale=5),
    Case("leaky relu", one(nn.LeakyReLU), one(layers.LeakyReLU, 0.01), one(layers.LeakyReLU, 0.0100001), IMAGE),
    Case("leaky relu of relu", one(nn.LeakyReLU, 0.1), one(layers.ReLU, None, 0.1), one(layers.ReLU), IMAGE),
    Case("leaky relu by name", one(nn.LeakyReLU, 0.2), activation("leaky_relu"), activation("relu"), IMAGE),
    Case(
        "prelu",
        one(nn.PReLU, 4),
        one(layers.PReLU, shared_axes=[1, 2]),
        one(layers.PReLU, shared_axes=[1, 2, 3]),
        IMAGE,
    ),
    Case("elu", one(nn.ELU, 0.7), one(layers.ELU, 0.7), one(layers.ELU, 0.70001), IMAGE),
    Case("elu by name", one(nn.ELU), activation("elu"), activation("selu"), IMAGE),
    Case("selu", one(nn.SELU), activation("selu"), activation("elu"), IMAGE),
    Case("celu", one(nn.CELU), activation("celu"), activation("silu"), IMAGE),
    Case(
        "gelu", one(nn.GELU), activation("gelu"), activation(partial(keras.activations.gelu, approximate=True)), IMAGE
    ),
    Case(
        "gelu tanh",
        one(nn.GELU, "tanh"),
        activation(partial(keras.activations.gelu, approximate=True)),
        activation("gelu"),
        IMAGE,
    ),
    Case("silu", one(nn.SiLU), activation("silu"), activation("gelu"), IMAGE),
    Case("swish", one(nn.SiLU), activation("swish"), activation("hard_silu"), IMAGE),
    Case("mish", one(nn.Mish), activation("mish"), activation("silu"), IMAGE),
    Case("sigmoid", one(nn.Sigmoid), activation("sigmoid"), activation("hard_sigmoid"), IMAGE),
    Case("log sigmoid", one(nn.LogSigmoid), activation("log_sigmoid"), activation("sigmoid"), IMAGE),
    Case("tanh", one(nn.Tanh), activation("tanh"), activation("hard_tanh"), IMAGE),
    Case("softplus", one(nn.Softplus), activation("softplus"), activation("relu"), IMAGE),
    Case("softsign", one(nn.Softsign), activation("softsign"), activation("tanh"), IMAGE),
    Case("hard sigmoid", one(nn.Hardsigmoid), activation("hard_sigmoid"), activation("sigmoid"), IMAGE),
    Case("hard silu", one(nn.Hardswish), activation("hard_silu"), activation("silu"), IMAGE),
    Case("hard tanh", one(nn.Hardtanh), activation("hard_tanh"), activation("tanh"), IMAGE),
    Case("hard shrink", one(nn.Hardshrink), activation("hard_shrink"), activation("soft_shrink"), IMAGE),
    Case("soft shrink", one(nn.Softshrink), activation("soft_shrink"), activation("hard_shrink"), IMAGE),
    Case("tanh shrink", one(nn.Tanhshrink), activation("tanh_shrink"), activation("tanh"), IMAGE),
    Case("softmax", one(nn.Softmax, 1), one(layers.Softmax), one(layers.Softmax, 1), IMAGE),
    Case("softmax by name", one(nn.Softmax, 1), activation("softmax"), activation("sigmoid"), (7,)),
    Case("log softmax", one(nn.LogSoftmax, 1), activation("log_softmax"), activation("softmax"), (7,)),
    Case(
        "dropout",
        lambda: [nn.Linear(7, 5), nn.Dropout(0.4)],
        lambda: [layers.Dense(5), layers.Dropout(0.4)],
        lambda: [layers.Dense(5), layers.GaussianNoise(0.4), layers.ReLU()],
        (7,),
    ),
]
