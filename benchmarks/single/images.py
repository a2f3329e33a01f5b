"""Convolutions, windows, resizing, moves of pixels: the rows of `benchmarks.layers`."""

# ruff: noqa: E501 - one row a line

from typing import Any

import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional

from .rows import Keras, Row, Torch, drawn, net, of, several

B = 2
IMAGE, HWC = drawn(B, 4, 7, 6), (7, 6, 4)
EVEN, EVEN_HWC = drawn(B, 8, 6, 4), (6, 4, 8)
LINE, LC = drawn(B, 4, 9), (9, 4)
VOLUME, DHWC = drawn(B, 4, 5, 6, 3), (5, 6, 3, 4)


def k(*own: Any, shape: Any = HWC) -> Any:
    return lambda: net(shape, *(make() for make in own))


def layer(name: str, *args: Any, shape: Any = HWC, **own: Any) -> Any:
    return lambda: net(shape, getattr(layers, name)(*args, **own))


def fn(function: Any, shape: Any = HWC) -> Any:
    return lambda: of(shape, function)


def t(function: Any, **parts: Any) -> Any:
    return lambda: Torch(lambda self, *x: function(*x), **parts)


def shuffled(x: Any) -> Any:
    """Channels in torch's order: (C, r, r)."""
    _, h, w, c = x.shape
    x = ops.reshape(x, (-1, h, w, c // 4, 2, 2))
    return ops.reshape(ops.transpose(x, (0, 1, 4, 2, 5, 3)), (-1, 2 * h, 2 * w, c // 4))


def depth_to_space(x: Any) -> Any:
    import tensorflow as tf

    return tf.nn.depth_to_space(x, 2)


def in_tensorflows_order(x: Any) -> Any:
    b, c, h, w = x.shape
    return functional.pixel_shuffle(x.reshape(b, 4, c // 4, h, w).transpose(1, 2).reshape(b, c, h, w), 2)


def unshuffled(x: Any) -> Any:
    _, h, w, c = x.shape
    x = ops.reshape(x, (-1, h // 2, 2, w // 2, 2, c))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 5, 2, 4)), (-1, h // 2, w // 2, 4 * c))


def channel_shuffled(groups: int) -> Any:
    def run(x: Any) -> Any:
        _, h, w, c = x.shape
        return ops.reshape(ops.swapaxes(ops.reshape(x, (-1, h, w, groups, c // groups)), -1, -2), (-1, h, w, c))

    return run


def patches(x: Any) -> Any:
    """As torch's unfold has them: (C, 3, 3), positions."""
    found = ops.image.extract_patches(x, 3, strides=1, padding="valid")
    _, h, w, _ = found.shape
    found = ops.reshape(found, (-1, h * w, 9, 4))
    return ops.reshape(ops.transpose(found, (0, 3, 2, 1)), (-1, 36, h * w))


def pads(mode: str, *sides: Any) -> Any:
    return fn(lambda x: ops.pad(x, [[0, 0], *sides, [0, 0]], mode))


def circular(x: Any) -> Any:
    x = ops.concatenate([x[:, -1:], x, x[:, :1]], 1)
    return ops.concatenate([x[:, :, -1:], x, x[:, :, :1]], 2)


def edge(x: Any) -> Any:
    x = ops.concatenate([x[:, :1], x, x[:, -1:]], 1)
    return ops.concatenate([x[:, :, :1], x, x[:, :, -1:]], 2)


def resized(mode: str, size: Any = (10, 9), **own: Any) -> Any:
    return t(lambda x: functional.interpolate(x, size, mode=mode, **own))


def tf_image(mode: str, size: Any = (10, 9), **own: Any) -> Any:
    def run(x: Any) -> Any:
        import tensorflow as tf

        return tf.image.resize(x, size, method=mode, **own)

    return fn(run)


def preprocessing(mean: Any, std: Any) -> Any:
    """What torchvision.transforms.Normalize does, as it is written by hand."""

    def forward(self: Any, x: Any) -> Any:
        return (x / 255 - self.mean) / self.std

    def make() -> nn.Module:
        made = Torch(forward)
        made.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        made.register_buffer("std", torch.tensor(std).view(-1, 1, 1))
        return made

    return make


MEAN, STD = [0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]


def last(*own: Any) -> Any:
    """torch code that works in channels_last shapes: (B, H, W, C) inside."""
    return lambda: Torch(lambda self, x: self.fc(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), fc=nn.Linear(4, 6))


def first(**own: Any) -> Any:
    return lambda: net((4, 7, 6), layers.Conv2D(5, 3, padding="same", data_format="channels_first", **own))


def squeeze(activation: Any = torch.sigmoid) -> Any:
    def forward(self: Any, x: Any) -> Any:
        s = x.mean((2, 3), keepdim=True)
        return x * activation(self.up(functional.relu(self.down(s))))

    return lambda: Torch(forward, down=nn.Conv2d(4, 2, 1), up=nn.Conv2d(2, 4, 1))


def ksqueeze(activation: str = "sigmoid", added: bool = False) -> Any:
    def call(self: Any, x: Any) -> Any:
        s = self.up(self.down(self.pool(x)))[:, None, None]
        return x + s if added else x * s

    parts = {
        "pool": layers.GlobalAveragePooling2D,
        "down": lambda: layers.Dense(2, activation="relu"),
        "up": lambda: layers.Dense(4, activation=activation),
    }
    return lambda: Keras(call, **{name: make() for name, make in parts.items()})


def same(**own: Any) -> Any:
    """torch's padding of TensorFlow's "same" at stride 2, by hand."""
    return lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 1, 1)), nn.Conv2d(4, 6, 3, 2, **own))


CONV, BN = layers.Conv2D, layers.BatchNormalization
ROWS = [
    Row("Conv2d", lambda: nn.Conv2d(4, 6, 3, padding=1), layer("Conv2D", 6, 3, padding="same"), IMAGE, {
        "dilation": ("keras", layer("Conv2D", 6, 3, padding="same", dilation_rate=2), "dilation"), "relu": ("keras", layer("Conv2D", 6, 3, padding="same", activation="relu"), "activation|relu"),
        "no bias": ("keras", layer("Conv2D", 6, 3, padding="same", use_bias=False), "bias"),
    }),
    Row("Conv2d, stride 2 as TensorFlow", same(), layer("Conv2D", 6, 3, 2, padding="same"), IMAGE, {"as torch": ("torch", lambda: nn.Conv2d(4, 6, 3, 2, padding=1), "padding")}),
    Row("Conv2d of groups", lambda: nn.Conv2d(4, 8, 3, groups=2), layer("Conv2D", 8, 3, groups=2), IMAGE, {"relu": ("keras", layer("Conv2D", 8, 3, groups=2, activation="relu"), "activation|relu")}),
    Row("Conv2d, reflected", lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), k(lambda: layers.Lambda(lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "reflect")), lambda: CONV(6, 3)), IMAGE, {
        "zeros": ("keras", layer("Conv2D", 6, 3, padding="same"), "padding|reflect"),
    }),
    Row("Conv2d, circular", lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), k(lambda: layers.Lambda(circular), lambda: CONV(6, 3)), IMAGE, {"zeros": ("keras", layer("Conv2D", 6, 3, padding="same"), "padding|circular")}),
    Row("Conv1d, causal", lambda: nn.Sequential(nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(4, 6, 3)), layer("Conv1D", 6, 3, padding="causal", shape=LC), LINE, {"same": ("keras", layer("Conv1D", 6, 3, padding="same", shape=LC), "padding")}),
    Row("Conv3d", lambda: nn.Conv3d(4, 6, 3, padding=1), layer("Conv3D", 6, 3, padding="same", shape=DHWC), VOLUME, {"relu": ("keras", layer("Conv3D", 6, 3, padding="same", activation="relu", shape=DHWC), "activation|relu")}),
    Row("DepthwiseConv2D", lambda: nn.Conv2d(4, 8, 3, groups=4), layer("DepthwiseConv2D", 3, depth_multiplier=2), IMAGE, {"dilation": ("keras", layer("DepthwiseConv2D", 3, depth_multiplier=2, activation="relu"), "activation|relu")}),
    Row("SeparableConv2D", lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, padding=1, bias=False), nn.Conv2d(4, 6, 1)), layer("SeparableConv2D", 6, 3, padding="same"), IMAGE, {
        "dilation": ("keras", layer("SeparableConv2D", 6, 3, padding="same", dilation_rate=2), "dilation"), "relu": ("keras", layer("SeparableConv2D", 6, 3, padding="same", activation="relu"), "activation|relu"),
    }),
    Row("ConvTranspose2d", lambda: nn.ConvTranspose2d(4, 6, 4, 2, 1), layer("Conv2DTranspose", 6, 4, 2, padding="same"), IMAGE, {"relu": ("keras", layer("Conv2DTranspose", 6, 4, 2, padding="same", activation="relu"), "activation|relu")}),
    Row("ConvTranspose2d, output padding", lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1), k(lambda: layers.Conv2DTranspose(6, 3, 2), lambda: layers.Cropping2D(((1, 0), (1, 0)))), IMAGE, {
        "same": ("keras", layer("Conv2DTranspose", 6, 3, 2, padding="same"), "padding|cut|transposed"),
    }),
    Row("ConvTranspose1d", lambda: nn.ConvTranspose1d(4, 6, 3, 2), layer("Conv1DTranspose", 6, 3, 2, shape=LC), LINE, {"no bias": ("keras", layer("Conv1DTranspose", 6, 3, 2, use_bias=False, shape=LC), "bias")}),
    Row("channels_first in Keras", lambda: nn.Conv2d(4, 5, 3, padding=1), first(), IMAGE, {"dilation": ("keras", first(dilation_rate=2), "dilation")}),
    Row("channels_first pool", lambda: nn.Sequential(nn.Conv2d(4, 5, 3), nn.MaxPool2d(2)), lambda: net((4, 7, 6), CONV(5, 3, data_format="channels_first"), layers.MaxPooling2D(2, data_format="channels_first")), IMAGE, {
        "average": ("keras", lambda: net((4, 7, 6), CONV(5, 3, data_format="channels_first"), layers.AveragePooling2D(2, data_format="channels_first")), "pool|kind"),
    }),
    Row("channels_first batch norm", lambda: nn.BatchNorm2d(4), lambda: net((4, 7, 6), BN(axis=1, epsilon=1e-5, momentum=0.9)), IMAGE, {"eps": ("keras", lambda: net((4, 7, 6), BN(axis=1, momentum=0.9)), "eps")}, gradients=False),
    Row("channels last in torch", last(), layer("Conv2D", 6, 1), IMAGE, {"relu": ("keras", layer("Conv2D", 6, 1, activation="relu"), "activation|relu")}),
    Row("1x1 convolution against Dense", lambda: nn.Conv2d(4, 6, 1), layer("Dense", 6), IMAGE, {"relu": ("keras", layer("Dense", 6, activation="relu"), "activation|relu")}),
    Row("squeeze and excite", squeeze(), ksqueeze(), IMAGE, {"hard sigmoid": ("keras", ksqueeze("hard_sigmoid"), "activation|sigmoid"), "added": ("keras", ksqueeze(added=True), "operation|sum|multipl|add")}),
    Row("MaxPool2d", lambda: nn.MaxPool2d(3, 2, 1), k(lambda: layers.Lambda(lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=float("-inf"))), lambda: layers.MaxPooling2D(3, 2)), IMAGE, {
        "zeros": ("keras", k(lambda: layers.ZeroPadding2D(1), lambda: layers.MaxPooling2D(3, 2)), "pad"), "same": ("keras", layer("MaxPooling2D", 3, 2, padding="same"), "pad"),
    }),
    Row("AvgPool2d, ceiling", lambda: nn.AvgPool2d(2, 2, ceil_mode=True), layer("AveragePooling2D", 2, 2, padding="same"), IMAGE, {"maximum": ("keras", layer("MaxPooling2D", 2, 2, padding="same"), "pool|kind|max")}),
    Row("AdaptiveAvgPool2d", lambda: nn.AdaptiveAvgPool2d((3, 2)), layer("AdaptiveAveragePooling2D", (3, 2)), IMAGE, {"maximum": ("keras", layer("AdaptiveMaxPooling2D", (3, 2)), "pool|kind|max")}),
    Row("LPPool2d", lambda: nn.LPPool2d(2, 2), fn(lambda x: ops.sqrt(4 * ops.average_pool(ops.square(x), 2))), IMAGE, {"mean": ("keras", fn(lambda x: ops.sqrt(ops.average_pool(ops.square(x), 2))), "factor|scale")}),
    Row("PixelShuffle", lambda: nn.PixelShuffle(2), fn(shuffled, EVEN_HWC), EVEN, {"TensorFlow's order": ("keras", fn(depth_to_space, EVEN_HWC), "order|channel")}),
    Row("depth_to_space", t(in_tensorflows_order), fn(depth_to_space, EVEN_HWC), EVEN, {"torch's order": ("torch", lambda: nn.PixelShuffle(2), "order|channel")}),
    Row("PixelUnshuffle", lambda: nn.PixelUnshuffle(2), fn(unshuffled, EVEN_HWC), EVEN, {"order": ("keras", fn(lambda x: ops.nn.space_to_depth(x, 2), EVEN_HWC), "order|channel")}),
    Row("ChannelShuffle", lambda: nn.ChannelShuffle(2), fn(channel_shuffled(2), EVEN_HWC), EVEN, {"groups": ("keras", fn(channel_shuffled(4), EVEN_HWC), "order|channel|groups")}),
    Row("Unfold", lambda: nn.Unfold(3), fn(patches), IMAGE, {"not by channels": ("keras", fn(lambda x: ops.transpose(ops.reshape(ops.image.extract_patches(x, 3, strides=1), (-1, 20, 36)), (0, 2, 1))), "order")}),
    Row("Fold", t(lambda x: functional.fold(x, (4, 6), 2, stride=2)), lambda: net((16, 6), layers.Lambda(lambda x: ops.reshape(ops.transpose(ops.reshape(x, (-1, 4, 2, 2, 2, 3)), (0, 4, 2, 5, 3, 1)), (-1, 4, 6, 4)))), drawn(B, 16, 6), {}),
    Row("patch embedding", lambda: Torch(lambda self, x: self.proj(x).flatten(2).transpose(1, 2), proj=nn.Conv2d(4, 6, 2, 2)), lambda: net((6, 4, 4), CONV(6, 2, 2), layers.Reshape((-1, 6))), drawn(B, 4, 6, 4), {
        "columns first": ("keras", lambda: net((6, 4, 4), CONV(6, 2, 2), layers.Permute((2, 1, 3)), layers.Reshape((-1, 6))), "order|transposed"),
    }),
    Row("flattened into Linear", lambda: nn.Sequential(nn.Flatten(), nn.Linear(168, 5)), k(layers.Flatten, lambda: layers.Dense(5)), IMAGE, {"relu": ("keras", k(layers.Flatten, lambda: layers.Dense(5, activation="relu")), "activation|relu")}),
    Row("ReflectionPad2d", lambda: nn.ReflectionPad2d((2, 2, 1, 1)), pads("reflect", [1, 1], [2, 2]), IMAGE, {"symmetric": ("keras", pads("symmetric", [1, 1], [2, 2]), "pad|reflect|symmetric"), "sides": ("keras", pads("reflect", [1, 1], [1, 3]), "pad|margin|pixel|side")}),
    Row("ReplicationPad2d", lambda: nn.ReplicationPad2d(1), fn(edge), IMAGE, {"zeros": ("keras", layer("ZeroPadding2D", 1), "pad|zero"), "reflect": ("keras", pads("reflect", [1, 1], [1, 1]), "pad|reflect")}),
    Row("CircularPad2d", lambda: nn.CircularPad2d(1), fn(circular), IMAGE, {"zeros": ("keras", layer("ZeroPadding2D", 1), "pad|zero")}),
    Row("ZeroPad2d", lambda: nn.ZeroPad2d((1, 2, 3, 0)), layer("ZeroPadding2D", ((3, 0), (1, 2))), IMAGE, {"rows for columns": ("keras", layer("ZeroPadding2D", ((0, 3), (1, 2))), "pad|pixel|margin")}),
    Row("negative padding", t(lambda x: functional.pad(x, (-1, -1, -2, 0))), layer("Cropping2D", ((2, 0), (1, 1))), IMAGE, {"other rows": ("keras", layer("Cropping2D", ((0, 2), (1, 1))), "crop|pixel|cut|pad|margin")}),
    Row("CenterCrop", t(lambda x: x[:, :, 2:5, 1:5]), layer("CenterCrop", 3, 4), IMAGE, {"rows": ("torch", t(lambda x: x[:, :, 1:4, 1:5]), "crop|pixel|cut|pad|margin")}),
    Row("Resizing, bilinear", resized("bilinear", align_corners=False), layer("Resizing", 10, 9), IMAGE, {"nearest": ("keras", layer("Resizing", 10, 9, interpolation="nearest"), "nearest|interpolation"), "corners": ("torch", resized("bilinear", align_corners=True), "corner")}),
    Row("Resizing, nearest", resized("nearest-exact"), tf_image("nearest"), IMAGE, {"bilinear": ("keras", tf_image("bilinear"), "bilinear|interpolation|nearest")}),
    Row("Resizing, nearest-exact", resized("nearest-exact"), layer("Resizing", 10, 9, interpolation="nearest"), IMAGE, {"nearest": ("torch", resized("nearest"), "centre|nearest|interpolation"), "bilinear": ("torch", resized("bilinear"), "nearest|interpolation")}),
    Row("Resizing, bicubic smaller, smoothed", resized("bicubic", (4, 3), antialias=True), layer("Resizing", 4, 3, interpolation="bicubic", antialias=True), IMAGE, {"not smoothed": ("keras", layer("Resizing", 4, 3, interpolation="bicubic"), "antialias")}),
    Row("Resizing, bilinear smaller, smoothed", resized("bilinear", (4, 3), antialias=True), layer("Resizing", 4, 3, antialias=True), IMAGE, {"not smoothed": ("keras", layer("Resizing", 4, 3), "antialias")}),
    Row("area", resized("area", (7, 3)), layer("AveragePooling2D", (1, 2)), IMAGE, {"maximum": ("keras", layer("MaxPooling2D", (1, 2)), "max|pool")}),
    Row("UpSampling2D", lambda: nn.Upsample(scale_factor=2), layer("UpSampling2D", 2), IMAGE, {"bilinear": ("keras", layer("UpSampling2D", 2, interpolation="bilinear"), "interpolation|bilinear")}),
    Row("UpsamplingBilinear2d", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), layer("UpSampling2D", 2, interpolation="bilinear"), IMAGE, {"corners": ("torch", lambda: nn.UpsamplingBilinear2d(scale_factor=2), "corner")}),
    Row("Rescaling", t(lambda x: x / 127.5 - 1), layer("Rescaling", 1 / 127.5, -1), drawn(B, 4, 7, 6, scale=50), {"by 255": ("keras", layer("Rescaling", 1 / 255), "factor|scale|offset"), "no offset": ("keras", layer("Rescaling", 1 / 127.5), "offset|shift")}),
    Row("Normalization", preprocessing(MEAN, STD), k(lambda: layers.Rescaling(1 / 255), lambda: layers.Normalization(mean=MEAN, variance=[s * s for s in STD])), drawn(B, 4, 7, 6, scale=100), {
        "deviation for variance": ("keras", k(lambda: layers.Rescaling(1 / 255), lambda: layers.Normalization(mean=MEAN, variance=STD)), "scale|factor|normal|variance"), "order": ("keras", k(lambda: layers.Rescaling(1 / 255), lambda: layers.Normalization(mean=MEAN[::-1], variance=[s * s for s in STD[::-1]])), ""),
    }),
    Row("channel shift (BGR)", t(lambda x: x[:, [2, 1, 0]]), fn(lambda x: x[..., ::-1], (7, 6, 3)), drawn(B, 3, 7, 6), {"RGB": ("keras", fn(lambda x: ops.identity(x) if hasattr(ops, "identity_") else x * 1.0, (7, 6, 3)), "order|channel")}),
    Row("Cropping1D", t(lambda x: x[:, :, 1:-2]), layer("Cropping1D", (1, 2), shape=LC), LINE, {"others": ("keras", layer("Cropping1D", (2, 1), shape=LC), "crop|pixel|cut|pad|margin|shift")}),
    Row("Cropping3D", t(lambda x: x[:, :, 1:-1, 1:-1]), layer("Cropping3D", ((1, 1), (1, 1), (0, 0)), shape=DHWC), VOLUME, {"others": ("keras", layer("Cropping3D", ((2, 0), (1, 1), (0, 0)), shape=DHWC), "crop|pixel|cut|pad|margin|shift")}),
    Row("Dot", t(lambda x, y: functional.cosine_similarity(x, y)[:, None]), lambda: Keras(lambda self, x, y: self.dot([x, y]), dot=layers.Dot(1, normalize=True)), several(drawn(B, 8), drawn(B, 8)), {
        "not normalised": ("keras", lambda: Keras(lambda self, x, y: self.dot([x, y]), dot=layers.Dot(1)), ""),
    }),
    Row("RepeatVector", t(lambda x: x[:, None].repeat(1, 4, 1)), layer("RepeatVector", 4, shape=(8,)), drawn(B, 8), {}),
    Row("Permute", t(lambda x: x.permute(0, 1, 3, 2)), layer("Permute", (2, 1, 3)), drawn(B, 4, 6, 6), {"kept": ("keras", lambda: net((6, 6, 4), layers.Lambda(lambda x: x * 1.0)), "transposed|order|axes")}),
    Row("Concatenate", t(lambda x, y: torch.cat([x, y], 1)), lambda: Keras(lambda self, x, y: self.cat([x, y]), cat=layers.Concatenate()), several(IMAGE, IMAGE), {"other order": ("keras", lambda: Keras(lambda self, x, y: self.cat([y, x]), cat=layers.Concatenate()), "order")}),
    Row("Maximum", t(lambda x, y: torch.maximum(x, y)), lambda: Keras(lambda self, x, y: self.m([x, y]), m=layers.Maximum()), several(IMAGE, IMAGE), {"minimum": ("keras", lambda: Keras(lambda self, x, y: self.m([x, y]), m=layers.Minimum()), "minimum|maximum|operation")}),
    Row("Subtract", t(lambda x, y: x - y), lambda: Keras(lambda self, x, y: self.m([x, y]), m=layers.Subtract()), several(IMAGE, IMAGE), {"turned": ("keras", lambda: Keras(lambda self, x, y: self.m([y, x]), m=layers.Subtract()), "sign|order|factor|operands")}),
    Row("global log-sum-exp", t(lambda x: x.flatten(2).logsumexp(2)), fn(lambda x: ops.logsumexp(x, (1, 2))), IMAGE, {"maximum": ("keras", layer("GlobalMaxPooling2D"), "max")}),
    Row("grid_sample", t(lambda x: functional.grid_sample(x, functional.affine_grid(torch.eye(2, 3, dtype=x.dtype)[None].expand(len(x), -1, -1), list(x.shape), align_corners=True), align_corners=True)), fn(lambda x: x * 1.0), IMAGE, {}),
]  # fmt: skip
