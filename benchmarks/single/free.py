"""Free parameters, parametrisations, wrappers of other programs: the rows of `benchmarks.layers`."""

# ruff: noqa: E501 - one row a line

from typing import Any

import keras
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from .rows import Keras, Row, Torch, drawn, net, several, weighted, whole

B, T, D = 3, 5, 8
X, IMAGE = drawn(B, T, D), drawn(B, 4, 7, 6)
HWC = (7, 6, 4)


def scaled(size: Any = D) -> Any:
    return lambda: Torch(
        lambda self, x: self.fc(x) * self.gamma, fc=nn.Linear(D, D), gamma=nn.Parameter(torch.full((size,), 0.1))
    )


def kscaled(call: Any = lambda self, x: x * self.gamma) -> Any:
    return lambda: net((T, D), layers.Dense(D), weighted(call, gamma=(D,))())


def token() -> nn.Module:
    return Torch(lambda self, x: torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed,
                 cls_token=nn.Parameter(torch.zeros(1, 1, D)), pos_embed=nn.Parameter(torch.zeros(1, T + 1, D)))  # fmt: skip


def ktoken(last: bool = False, positions: bool = True) -> Any:
    def call(self: Any, x: Any) -> Any:
        cls = ops.tile(self.cls_token, (ops.shape(x)[0], 1, 1))
        x = ops.concatenate([x, cls] if last else [cls, x], 1)
        return x + self.pos_embed if positions else x + 0.0 * self.pos_embed

    return lambda: net((T, D), weighted(call, cls_token=(1, 1, D), pos_embed=(1, T + 1, D))())


def own_weight() -> nn.Module:
    return Torch(
        lambda self, x: functional.linear(x, self.weight, self.bias),
        weight=nn.Parameter(torch.randn(6, D)),
        bias=nn.Parameter(torch.zeros(6)),
    )


def kown(call: Any = lambda self, x: ops.matmul(x, self.w) + self.b) -> Any:
    return lambda: net((T, D), weighted(call, w=(D, 6), b=(6,))())


class InModel(keras.Model):
    """Weights of the model itself."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.scale = self.add_weight(shape=(D,), name="scale", initializer="ones")
        self.fc, self.factor = layers.Dense(6), factor

    def call(self, x: Any) -> Any:
        return self.fc(x * self.scale * self.factor)


def buffered() -> nn.Module:
    made = Torch(lambda self, x: (x - self.mean) / self.std, fc=nn.Identity())
    made.register_buffer("mean", torch.linspace(0.1, 0.4, D))
    made.register_buffer("std", torch.linspace(0.5, 0.9, D))
    return made


def kbuffered(wrong: float = 0.0) -> Any:
    def make() -> Any:
        import numpy as np

        class Standardise(layers.Layer):
            def build(self, shape: Any) -> None:
                fixed = {"shape": (D,), "trainable": False}
                self.mean = self.add_weight(
                    name="mean",
                    initializer=lambda s, dtype=None: ops.convert_to_tensor(np.linspace(0.1, 0.4 + wrong, D), dtype),
                    **fixed,
                )
                self.std = self.add_weight(
                    name="std",
                    initializer=lambda s, dtype=None: ops.convert_to_tensor(np.linspace(0.5, 0.9, D), dtype),
                    **fixed,
                )

            def call(self, x: Any) -> Any:
                return (x - self.mean) / self.std

        return net((T, D), Standardise())

    return make


def shared(activation: str = "tanh") -> Any:
    def make() -> Any:
        dense = layers.Dense(D)
        return net((T, D), dense, layers.Activation(activation), dense)

    return make


def twice(self: Any, x: Any) -> Any:
    return self.fc(torch.tanh(self.fc(x)))


def jax_layer(wrong: bool = False) -> Any:
    def make() -> Any:
        import jax.numpy as jnp
        import numpy as np

        params = {"w": np.zeros((D, 6), "float32"), "b": np.zeros(6, "float32")}
        function = jnp.tanh if wrong else (lambda x: jnp.maximum(x, 0))
        return net(
            (T, D), layers.JaxLayer(lambda params, inputs: function(inputs @ params["w"] + params["b"]), params=params)
        )

    return make


def saved_model(wrong: bool = False) -> Any:
    def make() -> Any:
        import tempfile

        folder = tempfile.mkdtemp()
        inner = net((T, D), layers.Dense(6, activation="tanh" if wrong else "relu"))
        inner.export(folder, verbose=False)
        return net((T, D), layers.TFSMLayer(folder, call_endpoint="serve"))

    return make


def complex_net() -> nn.Module:
    return Torch(lambda self, x: torch.fft.fft(x).real * self.w, w=nn.Parameter(torch.ones(D)))


def relative(self: Any, x: Any) -> Any:
    places = torch.arange(T)[None, :] - torch.arange(T)[:, None] + T - 1
    return x + self.bias(places).sum(1)


def krelative(self: Any, x: Any) -> Any:
    places = ops.arange(T)[None, :] - ops.arange(T)[:, None] + T - 1
    return x + ops.sum(self.bias(places), 1)


def krelative_turned(self: Any, x: Any) -> Any:
    places = ops.arange(T)[:, None] - ops.arange(T)[None, :] + T - 1
    return x + ops.sum(self.bias(places), 1)


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Any) -> Any:
        return x * self.weight


def dense(units: int = 6, **own: Any) -> Any:
    return lambda: net((T, D), layers.Dense(units, **own))


RELU = {"relu": ("keras", dense(activation="relu"), "activation|relu")}
ROWS = [
    Row("LayerScale", scaled(), kscaled(), X, {"twice": ("keras", kscaled(lambda self, x: 2 * x * self.gamma), "factor|scale"), "added": ("keras", kscaled(lambda self, x: x + self.gamma), "")}),
    Row("LayerScale of an image", Scale, lambda: net(HWC, weighted(lambda self, x: x * self.gamma, gamma=(4,))()), IMAGE, {
        "added": ("keras", lambda: net(HWC, weighted(lambda self, x: x + self.gamma, gamma=(4,))()), ""),
    }),
    Row("class token and positions", token, ktoken(), X, {"at the end": ("keras", ktoken(True), ""), "no positions": ("keras", ktoken(positions=False), "")}),
    Row("own weight and bias", own_weight, kown(), X, {"relu": ("keras", kown(lambda self, x: ops.relu(ops.matmul(x, self.w) + self.b)), "activation|relu")}),
    Row("own weight against Dense", own_weight, dense(), X, RELU),
    Row("Linear against own weights", lambda: nn.Linear(D, 6), kown(lambda self, x: ops.einsum("btd,de->bte", x, self.w) + self.b), X, {
        "no bias": ("keras", kown(lambda self, x: ops.einsum("btd,de->bte", x, self.w) + 0 * self.b), "bias"),
    }),
    Row("weights of a model", lambda: Torch(lambda self, x: self.fc(x * self.scale), scale=nn.Parameter(torch.ones(D)), fc=nn.Linear(D, 6)), InModel, X, {
        "factor": ("keras", lambda: InModel(1.5), "factor|scale|weight"),
    }),
    Row("buffers", buffered, kbuffered(), X, {}),
    Row("a shared layer", lambda: Torch(twice, fc=nn.Linear(D, D)), shared(), X, {"relu": ("keras", shared("relu"), "activation|tanh")}),
    Row("weight_norm", lambda: parametrizations.weight_norm(nn.Linear(D, 6)), dense(), X, RELU),
    Row("weight_norm of old", lambda: nn.utils.weight_norm(nn.Linear(D, 6)), dense(), X, RELU),
    Row("weight_norm of a convolution", lambda: parametrizations.weight_norm(nn.Conv1d(D, 6, 3)), lambda: net((T, D), layers.Conv1D(6, 3)), drawn(B, D, T), {
        "dilation": ("keras", lambda: net((T, D), layers.Conv1D(6, 3, activation="relu")), "activation|relu"),
    }),
    Row("spectral_norm", lambda: parametrizations.spectral_norm(nn.Linear(D, 6)), dense(), X, RELU),
    Row("SpectralNormalization", lambda: parametrizations.spectral_norm(nn.Linear(D, 6)), lambda: net((T, D), layers.SpectralNormalization(layers.Dense(6))), X, {
        "relu": ("keras", lambda: net((T, D), layers.SpectralNormalization(layers.Dense(6, activation="relu"))), "activation|relu"),
    }, gradients=False),
    Row("orthogonal", lambda: parametrizations.orthogonal(nn.Linear(D, D)), dense(D), X, {"relu": ("keras", dense(D, activation="relu"), "activation|relu")}),
    Row("Embedding", lambda: nn.Embedding(11, D), lambda: net((T,), layers.Embedding(11, D), dtype="int32"), whole(11, B, T), {
        "one more": ("keras", lambda: net((T,), layers.Lambda(lambda x: (x + 1) % 11), layers.Embedding(11, D), dtype="int32"), ""),
        "padding": ("torch", lambda: nn.Embedding(11, D, padding_idx=0), "padding_idx"),
    }),
    Row("EmbeddingBag", lambda: nn.EmbeddingBag(11, D, mode="mean"), lambda: net((T,), layers.Embedding(11, D), layers.GlobalAveragePooling1D(), dtype="int32"), whole(11, B, T), {
        "sum": ("torch", lambda: nn.EmbeddingBag(11, D, mode="sum"), "sum|factor|mean"),
        "max": ("keras", lambda: net((T,), layers.Embedding(11, D), layers.GlobalMaxPooling1D(), dtype="int32"), "max|pool"),
    }),
    Row("positions by arange", lambda: Torch(lambda self, x: self.table(x) + self.places(torch.arange(T)), table=nn.Embedding(11, D), places=nn.Embedding(T, D)),
        lambda: Keras(lambda self, x: self.table(x) + self.places(ops.arange(T)), table=layers.Embedding(11, D), places=layers.Embedding(T, D)), whole(11, B, T), {
        "turned": ("keras", lambda: Keras(lambda self, x: self.table(x) + self.places(ops.arange(T)[::-1]), table=layers.Embedding(11, D), places=layers.Embedding(T, D)), ""),
    }),
    Row("relative bias", lambda: Torch(relative, bias=nn.Embedding(2 * T - 1, D)), lambda: Keras(krelative, bias=layers.Embedding(2 * T - 1, D)), X, {
        "turned": ("keras", lambda: Keras(krelative_turned, bias=layers.Embedding(2 * T - 1, D)), ""),
    }),
    Row("tied head", lambda: Torch(lambda self, x: self.table(x) @ self.table.weight.T, table=nn.Embedding(11, D)), lambda: Keras(lambda self, x: ops.matmul(self.table(x), ops.transpose(self.table.embeddings)), table=layers.Embedding(11, D)), whole(11, B, T), {
        "scaled": ("keras", lambda: Keras(lambda self, x: ops.matmul(self.table(x), ops.transpose(self.table.embeddings)) * D**-0.5, table=layers.Embedding(11, D)), "factor|scale"),
    }),
    Row("Bilinear", lambda: nn.Bilinear(D, 4, 6), lambda: net_of_two(weighted(lambda self, x, y: ops.einsum("bi,oij,bj->bo", x, self.kernel, y) + self.bias, kernel=(6, D, 4), bias=(6,))), several(drawn(B, D), drawn(B, 4)), {
        "no bias": ("keras", lambda: net_of_two(weighted(lambda self, x, y: ops.einsum("bi,oij,bj->bo", x, self.kernel, y) + 0 * self.bias, kernel=(6, D, 4), bias=(6,))), "bias"),
    }),
    Row("JaxLayer", lambda: nn.Sequential(nn.Linear(D, 6), nn.ReLU()), jax_layer(), X, {"tanh": ("keras", jax_layer(True), "activation|relu|tanh")}, gradients=False),
    Row("TFSMLayer", lambda: nn.Sequential(nn.Linear(D, 6), nn.ReLU()), saved_model(), X, {}, refusal="float64"),
    Row("frequencies", complex_net, lambda: net((T, D), weighted(lambda self, x: ops.fft((x, ops.zeros_like(x)))[0] * self.w, w=(D,))()), X, {
        "imaginary": ("keras", lambda: net((T, D), weighted(lambda self, x: ops.fft((x, ops.zeros_like(x)))[1] * self.w, w=(D,))()), ""),
    }),
    Row("frozen by stop_gradient", lambda: Torch(lambda self, x: self.b(self.a(x).detach()), a=nn.Linear(D, D), b=nn.Linear(D, 6)), lambda: Keras(lambda self, x: self.b(ops.stop_gradient(self.a(x))), a=layers.Dense(D), b=layers.Dense(6)), X, {
        "not stopped": ("keras", lambda: Keras(lambda self, x: self.b(self.a(x)), a=layers.Dense(D), b=layers.Dense(6)), "gradient|stop"),
    }),
    Row("LazyLinear", lambda: nn.LazyLinear(6), dense(), X, RELU),
    Row("Dense with activation", lambda: nn.Sequential(nn.Linear(D, 6), nn.SiLU()), dense(activation="silu"), X, {"gelu": ("keras", dense(activation="gelu"), "activation|silu|gelu")}),
]  # fmt: skip


def net_of_two(layer: Any) -> Any:
    x, y = keras.Input((D,)), keras.Input((4,))
    return keras.Model([x, y], layer()(x, y))
