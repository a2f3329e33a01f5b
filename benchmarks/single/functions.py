"""Functions that take weights, of torch, keras.ops, tf.nn and Keras's old backend: the rows of `benchmarks.layers`."""

# ruff: noqa: E501 - one row a line

from collections.abc import Callable
from typing import Any

import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

from .images import HWC, IMAGE
from .rows import Row, Torch, drawn, net, weighted, whole

X = drawn(3, 5, 8)


def t(call: Callable[..., Any], **shapes: tuple[int, ...]) -> Callable[[], nn.Module]:
    return lambda: Torch(call, **{name: nn.Parameter(torch.randn(shape) * 0.3) for name, shape in shapes.items()})


def k(
    call: Callable[..., Any], shape: Any = (5, 8), dtype: str | None = None, **shapes: tuple[int, ...]
) -> Callable[[], Any]:
    return lambda: net(shape, weighted(call, **shapes)(), dtype=dtype)


def tf() -> Any:
    import tensorflow

    return tensorflow


LINEAR = t(lambda self, x: F.linear(x, self.w, self.b), w=(6, 8), b=(6,))
CONV = t(lambda self, x: F.conv2d(x, self.w, self.b, padding=1), w=(6, 4, 3, 3), b=(6,))
ABOUT = {"w": (3, 3, 4, 6), "b": (6,)}


def kconv(call: Any) -> Any:
    return k(call, HWC, w=(3, 3, 4, 6), b=(6,))


def statistics() -> nn.Module:
    made = t(lambda self, x: F.batch_norm(x, self.mean, self.var, self.w, self.b, eps=1e-3), w=(4,), b=(4,))()
    made.register_buffer("mean", torch.linspace(-0.3, 0.3, 4))
    made.register_buffer("var", torch.linspace(0.5, 1.5, 4))
    return made


def kstatistics(eps: float = 1e-3, by: str = "ops") -> Any:
    def make() -> Any:
        class Norm(layers.Layer):
            def build(self, shape: Any) -> None:
                self.gamma, self.beta = (
                    self.add_weight(shape=(4,), name="gamma"),
                    self.add_weight(shape=(4,), name="beta"),
                )
                self.mean = self.add_weight(shape=(4,), name="mean", trainable=False)
                self.var = self.add_weight(shape=(4,), name="var", trainable=False, initializer="ones")

            def call(self, x: Any) -> Any:
                if by == "tf":
                    return tf().nn.batch_normalization(
                        x, self.mean.value, self.var.value, self.beta.value, self.gamma.value, eps
                    )
                return ops.batch_normalization(
                    x, self.mean, self.var, -1, offset=self.beta, scale=self.gamma, epsilon=eps
                )

        return net(HWC, Norm())

    return make


def normalised(self: Any, x: Any) -> Any:
    mean, var = ops.moments(x, -1, keepdims=True)
    return (x - mean) * ops.rsqrt(var + 1e-5) * self.g + self.b


def not_normalised(self: Any, x: Any) -> Any:
    mean, var = ops.moments(x, -1, keepdims=True)
    return (x - mean) * ops.rsqrt(var + 1e-3) * self.g + self.b


def backend(name: str) -> Any:
    import tensorflow

    return getattr(tensorflow.keras.backend, name)


def grouped(x: Any, count: int, eps: float = 1e-5) -> Any:
    _, h, w, c = x.shape
    x = ops.reshape(x, (-1, h, w, count, c // count))
    mean, var = ops.moments(x, (1, 2, 4), keepdims=True)
    return ops.reshape((x - mean) / ops.sqrt(var + eps), (-1, h, w, c))


RELU = "activation|relu"
ROWS = [
    Row("F.linear and ops.matmul", LINEAR, k(lambda self, x: ops.matmul(x, self.w) + self.b, w=(8, 6), b=(6,)), X, {"relu": ("keras", k(lambda self, x: ops.relu(ops.matmul(x, self.w) + self.b), w=(8, 6), b=(6,)), RELU), "no bias": ("keras", k(lambda self, x: ops.matmul(x, self.w) + 0 * self.b, w=(8, 6), b=(6,)), "bias")}),
    Row("F.linear and tf.matmul", LINEAR, k(lambda self, x: tf().nn.bias_add(tf().tensordot(x, self.w.value, 1), self.b.value), w=(8, 6), b=(6,)), X, {"tanh": ("keras", k(lambda self, x: tf().tanh(tf().tensordot(x, self.w.value, 1) + self.b.value), w=(8, 6), b=(6,)), "activation|tanh")}),
    Row("F.linear and K.dot", LINEAR, k(lambda self, x: backend("bias_add")(backend("dot")(x, self.w.value), self.b.value), w=(8, 6), b=(6,)), X, {"relu": ("keras", k(lambda self, x: backend("relu")(backend("dot")(x, self.w.value) + self.b.value), w=(8, 6), b=(6,)), RELU)}),
    Row("F.linear and tf.einsum", LINEAR, k(lambda self, x: tf().einsum("btd,de->bte", x, self.w.value) + self.b.value, w=(8, 6), b=(6,)), X, {"twice": ("keras", k(lambda self, x: 2 * tf().einsum("btd,de->bte", x, self.w.value) + self.b.value, w=(8, 6), b=(6,)), "factor|scale|weight|bias")}),
    Row("F.linear and Dense", LINEAR, lambda: net((5, 8), layers.Dense(6)), X, {"relu": ("keras", lambda: net((5, 8), layers.Dense(6, activation="relu")), RELU)}),
    Row("matmul and matmul", t(lambda self, x: x @ self.w + self.b, w=(8, 6), b=(6,)), k(lambda self, x: ops.dot(x, self.w) + self.b, w=(8, 6), b=(6,)), X, {"relu": ("keras", k(lambda self, x: ops.relu(ops.dot(x, self.w) + self.b), w=(8, 6), b=(6,)), RELU)}),
    Row("einsum and einsum", t(lambda self, x: torch.einsum("btd,dhe->bhte", x, self.w), w=(8, 2, 4)), k(lambda self, x: ops.einsum("btd,dhe->bhte", x, self.w), w=(8, 2, 4)), X, {"scaled": ("keras", k(lambda self, x: ops.einsum("btd,dhe->bhte", x, self.w) / 2, w=(8, 2, 4)), "factor|scale")}),
    Row("square kernels", t(lambda self, x: F.linear(x, self.w), w=(8, 8)), k(lambda self, x: ops.matmul(x, self.w), w=(8, 8)), X, {"transposed": ("keras", k(lambda self, x: ops.matmul(x, ops.transpose(self.w)) * 1.5, w=(8, 8)), "")}),
    Row("F.conv2d and ops.conv", CONV, kconv(lambda self, x: ops.conv(x, self.w, padding="same") + self.b), IMAGE, {"dilation": ("keras", kconv(lambda self, x: ops.conv(x, self.w, padding="same", dilation_rate=2) + self.b), "dilation"), "relu": ("keras", kconv(lambda self, x: ops.relu(ops.conv(x, self.w, padding="same") + self.b)), RELU)}),
    Row("F.conv2d and tf.nn.conv2d", CONV, kconv(lambda self, x: tf().nn.bias_add(tf().nn.conv2d(x, self.w.value, 1, "SAME"), self.b.value)), IMAGE, {"dilation": ("keras", kconv(lambda self, x: tf().nn.conv2d(x, self.w.value, 1, "SAME", dilations=2) + self.b.value), "dilation")}),
    Row("F.conv2d and K.conv2d", CONV, kconv(lambda self, x: backend("conv2d")(x, self.w.value, padding="same") + self.b.value), IMAGE, {"relu": ("keras", kconv(lambda self, x: backend("relu")(backend("conv2d")(x, self.w.value, padding="same") + self.b.value)), RELU)}),
    Row("F.conv2d and Conv2D", CONV, lambda: net(HWC, layers.Conv2D(6, 3, padding="same")), IMAGE, {"dilation": ("keras", lambda: net(HWC, layers.Conv2D(6, 3, padding="same", dilation_rate=2)), "dilation")}),
    Row("F.conv2d, strided", t(lambda self, x: F.conv2d(F.pad(x, (0, 1, 1, 1)), self.w, None, 2), w=(6, 4, 3, 3)), k(lambda self, x: tf().nn.conv2d(x, self.w.value, 2, "SAME"), HWC, w=(3, 3, 4, 6)), IMAGE, {"as torch": ("torch", t(lambda self, x: F.conv2d(x, self.w, None, 2, 1), w=(6, 4, 3, 3)), "pad")}),
    Row("F.conv2d of groups", t(lambda self, x: F.conv2d(x, self.w, groups=4), w=(8, 1, 3, 3)), k(lambda self, x: ops.depthwise_conv(x, self.w), HWC, w=(3, 3, 4, 2)), IMAGE, {"relu": ("keras", k(lambda self, x: ops.relu(ops.depthwise_conv(x, self.w)), HWC, w=(3, 3, 4, 2)), RELU)}),
    Row("F.conv1d", t(lambda self, x: F.conv1d(x, self.w, self.b), w=(6, 8, 3), b=(6,)), k(lambda self, x: tf().nn.conv1d(x, self.w.value, 1, "VALID") + self.b.value, w=(3, 8, 6), b=(6,)), drawn(3, 8, 5), {"relu": ("keras", k(lambda self, x: tf().nn.relu(tf().nn.conv1d(x, self.w.value, 1, "VALID") + self.b.value), w=(3, 8, 6), b=(6,)), RELU)}),
    Row("F.conv_transpose2d", t(lambda self, x: F.conv_transpose2d(x, self.w, stride=2), w=(4, 6, 2, 2)), k(lambda self, x: ops.conv_transpose(x, self.w, 2), HWC, w=(2, 2, 6, 4)), IMAGE, {"relu": ("keras", k(lambda self, x: ops.relu(ops.conv_transpose(x, self.w, 2)), HWC, w=(2, 2, 6, 4)), RELU)}),
    Row("F.embedding and ops.take", t(lambda self, x: F.embedding(x, self.w), w=(11, 8)), k(lambda self, x: ops.take(self.w, x, axis=0), (5,), "int32", w=(11, 8)), whole(11, 3, 5), {"scaled": ("keras", k(lambda self, x: ops.take(self.w, x, axis=0) * 2, (5,), "int32", w=(11, 8)), "factor|scale|weight")}),
    Row("F.embedding and tf.nn.embedding_lookup", t(lambda self, x: F.embedding(x, self.w), w=(11, 8)), k(lambda self, x: tf().nn.embedding_lookup(self.w.value, x), (5,), "int32", w=(11, 8)), whole(11, 3, 5), {"scaled": ("keras", k(lambda self, x: tf().nn.embedding_lookup(self.w.value, x) * 2, (5,), "int32", w=(11, 8)), "factor|scale|weight")}),
    Row("indexing and tf.gather", t(lambda self, x: self.w[x], w=(11, 8)), k(lambda self, x: tf().gather(self.w.value, x), (5,), "int32", w=(11, 8)), whole(11, 3, 5), {"turned": ("keras", k(lambda self, x: tf().gather(self.w.value, 10 - x), (5,), "int32", w=(11, 8)), "")}),
    Row("one hot", t(lambda self, x: F.one_hot(x, 11).to(self.w.dtype) @ self.w, w=(11, 8)), k(lambda self, x: ops.matmul(ops.one_hot(x, 11, dtype=self.w.dtype), self.w), (5,), "int32", w=(11, 8)), whole(11, 3, 5), {"embedding scaled": ("keras", k(lambda self, x: ops.matmul(ops.one_hot(x, 11, dtype=self.w.dtype), self.w) * 3, (5,), "int32", w=(11, 8)), "factor|scale|weight")}),
    Row("F.layer_norm by hand", t(lambda self, x: F.layer_norm(x, (8,), self.g, self.b), g=(8,), b=(8,)), k(normalised, g=(8,), b=(8,)), X, {"eps": ("keras", k(not_normalised, g=(8,), b=(8,)), "eps")}),
    Row("F.layer_norm and the layer", t(lambda self, x: F.layer_norm(x, (8,), self.g, self.b), g=(8,), b=(8,)), lambda: net((5, 8), layers.LayerNormalization(epsilon=1e-5)), X, {"eps": ("keras", lambda: net((5, 8), layers.LayerNormalization(epsilon=1e-3)), "eps")}),
    Row("F.rms_norm", t(lambda self, x: F.rms_norm(x, (8,), self.g, 1e-6), g=(8,)), k(lambda self, x: ops.rms_normalization(x, self.g, epsilon=1e-6), g=(8,)), X, {"eps": ("keras", k(lambda self, x: ops.rms_normalization(x, self.g, epsilon=1e-2), g=(8,)), "eps")}),
    Row("F.batch_norm and ops", statistics, kstatistics(), IMAGE, {"eps": ("keras", kstatistics(1e-2), "eps")}),
    Row("F.batch_norm and tf.nn", statistics, kstatistics(by="tf"), IMAGE, {"eps": ("keras", kstatistics(1e-2, "tf"), "eps")}),
    Row("F.group_norm", t(lambda self, x: F.group_norm(x, 2, self.g, self.b), g=(4,), b=(4,)), k(lambda self, x: grouped(x, 2) * self.g + self.b, HWC, g=(4,), b=(4,)), IMAGE, {"eps": ("keras", k(lambda self, x: grouped(x, 2, 1e-2) * self.g + self.b, HWC, g=(4,), b=(4,)), "eps")}),
    Row("F.prelu and by hand", t(lambda self, x: F.prelu(x, self.a), a=(4,)), k(lambda self, x: ops.maximum(x, 0) + self.a * ops.minimum(x, 0), HWC, a=(4,)), IMAGE, {"sign": ("keras", k(lambda self, x: ops.maximum(x, 0) - self.a * ops.minimum(x, 0), HWC, a=(4,)), "")}),
    Row("F.prelu and the layer", t(lambda self, x: F.prelu(x, self.a), a=(4,)), lambda: net(HWC, layers.PReLU(shared_axes=[1, 2])), IMAGE, {"relu": ("keras", lambda: net(HWC, layers.PReLU(shared_axes=[1, 2]), layers.Activation("tanh")), "tanh|activation")}),
    Row("F.bilinear", t(lambda self, x: F.bilinear(x, x, self.w, self.b), w=(6, 8, 8), b=(6,)), k(lambda self, x: ops.einsum("bti,oij,btj->bto", x, self.w, x) + self.b, w=(6, 8, 8), b=(6,)), X, {"twice": ("keras", k(lambda self, x: 2 * ops.einsum("bti,oij,btj->bto", x, self.w, x) + self.b, w=(6, 8, 8), b=(6,)), "")}),
    Row("clamp and clip", t(lambda self, x: (x * self.w).clamp(-0.5, 0.5), w=(8,)), k(lambda self, x: ops.clip(x * self.w, -0.5, 0.5), w=(8,)), X, {"bound": ("keras", k(lambda self, x: ops.clip(x * self.w, -0.5, 0.7), w=(8,)), "bound|clip|function")}),
    Row("topk", t(lambda self, x: (x * self.w).topk(3)[0], w=(8,)), k(lambda self, x: ops.top_k(x * self.w, 3)[0], w=(8,)), X, {"least": ("keras", k(lambda self, x: -ops.top_k(-(x * self.w), 3)[0], w=(8,)), "")}),
    Row("cumsum", t(lambda self, x: (x * self.w).cumsum(1), w=(8,)), k(lambda self, x: ops.cumsum(x * self.w, 1), w=(8,)), X, {"axis": ("keras", k(lambda self, x: ops.cumsum(x * self.w, 2), w=(8,)), "axis")}),
    Row("where", t(lambda self, x: torch.where(x > 0.1, x * self.w, x), w=(8,)), k(lambda self, x: ops.where(x > 0.1, x * self.w, x), w=(8,)), X, {"bound": ("keras", k(lambda self, x: ops.where(x > 0.3, x * self.w, x), w=(8,)), "")}),
    Row("tf.keras.backend mean", t(lambda self, x: (x * self.w).mean(1), w=(8,)), k(lambda self, x: backend("mean")(x * self.w.value, axis=1), w=(8,)), X, {"sum": ("keras", k(lambda self, x: backend("sum")(x * self.w.value, axis=1), w=(8,)), "sum|mean|factor")}),
]  # fmt: skip
