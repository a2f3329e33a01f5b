"""Pairs that hold the same weights otherwise: (torch's model, Keras's), right, or with one fault planted in Keras's."""

import math
from collections.abc import Callable
from typing import Any

import keras
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional

from benchmarks.single.rows import Keras, Torch

T, D, H = 5, 8, 2
Pair = tuple[nn.Module, keras.Model]


def attended(q: Any, k: Any, v: Any) -> Any:
    q, k, v = (x.reshape(len(x), T, H, -1).transpose(1, 2) for x in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(len(q), T, D)


def attended_in_keras(q: Any, k: Any, v: Any, size: int = D // H) -> Any:
    q, k, v = (ops.transpose(ops.reshape(x, (-1, T, H, D // H)), (0, 2, 1, 3)) for x in (q, k, v))
    scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / math.sqrt(size)
    return ops.reshape(ops.transpose(ops.matmul(ops.softmax(scores), v), (0, 2, 1, 3)), (-1, T, D))


def fused(heads: bool = False) -> nn.Module:
    def forward(self: Any, x: Any) -> Any:
        made = self.qkv(x)
        parts = made.view(len(x), T, H, 3, -1).unbind(3) if heads else made.chunk(3, -1)
        return self.proj(attended(*parts))

    return Torch(forward, qkv=nn.Linear(D, 3 * D), proj=nn.Linear(D, D))


def three(wrong: str, names: tuple[str, ...] = ("q", "k", "v")) -> keras.Model:
    def call(self: Any, x: Any) -> Any:
        q, k, v = (getattr(self, name)(x) for name in names)
        q, k, v = (q, v, k) if wrong == "values for keys" else (q, k, v)
        return self.proj(attended_in_keras(q, k, v, D if wrong == "scale" else D // H))

    return Keras(call, **{name: layers.Dense(D) for name in names}, proj=layers.Dense(D))


def fused_against_three(wrong: str) -> Pair:
    return fused(), three(wrong)


def heads_against_three(wrong: str) -> Pair:
    return fused(heads=True), three(wrong, ("query", "key", "value"))


def three_against_fused(wrong: str) -> Pair:
    parts = {name: nn.Linear(D, D) for name in ("k_proj", "v_proj", "q_proj", "out_proj")}
    ours = Torch(lambda self, x: self.out_proj(attended(self.q_proj(x), self.k_proj(x), self.v_proj(x))), **parts)

    def call(self: Any, x: Any) -> Any:
        q, k, v = ops.split(self.qkv(x), 3, axis=-1)
        return self.out(attended_in_keras(q, *((v, k) if wrong else (k, v))))

    return ours, Keras(call, qkv=layers.Dense(3 * D), out=layers.Dense(D))


def attention(wrong: str) -> Pair:
    def forward(self: Any, x: Any) -> Any:
        mask = torch.ones(T, T).triu(1).bool()
        return self.norm(x + self.attn(x, x, x, attn_mask=mask, need_weights=False)[0])

    ours = Torch(forward, attn=nn.MultiheadAttention(D, H, batch_first=True, dropout=0.1), norm=nn.LayerNorm(D))

    def call(self: Any, x: Any) -> Any:
        return self.norm(x + self.attn(x, x, use_causal_mask=wrong != "mask"))

    epsilon = 1e-3 if wrong == "eps" else 1e-5
    parts = {"attn": layers.MultiHeadAttention(H, D // H), "norm": layers.LayerNormalization(epsilon=epsilon)}
    return ours, Keras(call, **parts)


def encoder(wrong: str) -> Pair:
    def call(self: Any, x: Any) -> Any:
        x = self.norm1(x + self.attn(x, x))
        return self.norm2(x + self.down(self.up(x)))

    parts: dict[str, Any] = {"attn": layers.MultiHeadAttention(H, D // H)}
    parts |= {name: layers.LayerNormalization(epsilon=1e-5) for name in ("norm1", "norm2")}
    parts |= {"up": layers.Dense(12, activation="gelu" if wrong else "relu"), "down": layers.Dense(D)}
    return nn.TransformerEncoderLayer(D, H, 12, batch_first=True), Keras(call, **parts)


def grouped_queries(wrong: str) -> Pair:
    def forward(self: Any, x: Any) -> Any:
        q, k, v = (each(x).view(len(x), T, -1, 4).transpose(1, 2) for each in (self.q, self.k, self.v))
        made = functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return self.o(made.transpose(1, 2).flatten(2))

    parts = {"q": nn.Linear(D, 16), "k": nn.Linear(D, D), "v": nn.Linear(D, D), "o": nn.Linear(16, D)}
    attn = layers.GroupQueryAttention(4, 4, 2)
    return Torch(forward, **parts), Keras(lambda self, x: self.attn(x, ops.flip(x, -1) if wrong else x), attn=attn)


def einsum(wrong: str) -> Pair:
    def forward(self: Any, x: Any) -> Any:
        return self.b(torch.tanh(self.a(x).view(len(x), T, 3, 4)).softmax(-1).flatten(2))

    a = layers.EinsumDense("abc,cde->abde", (None, 3, 4), bias_axes="de")
    b = layers.EinsumDense("abcd,cde->abe", (None, D), bias_axes="e")
    axis = 2 if wrong else -1
    theirs = Keras(lambda self, x: self.b(ops.softmax(ops.tanh(self.a(x)), axis=axis)), a=a, b=b)
    return Torch(forward, a=nn.Linear(D, 12), b=nn.Linear(12, D)), theirs


def pixels(wrong: str) -> Pair:
    """A convolution of one pixel against a dense layer, behind a depthwise one whose bias Keras lacks."""
    ours = nn.Sequential(nn.Conv1d(T, T, 3, groups=T), nn.Conv1d(T, 6, 1), nn.ReLU(), nn.Conv1d(6, 3, 1))
    activation = "elu" if wrong else "relu"
    theirs = [layers.SeparableConv1D(6, 3, activation=activation), layers.Dense(3)]
    return ours, keras.Sequential([keras.Input((D, T)), *theirs])


def by_hand(wrong: str) -> Pair:
    """A norm, a scale, a token and positions written by hand, on one side or the other."""

    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(D))

        def forward(self, x: Any) -> Any:
            return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)

    def forward(self: Any, x: Any) -> Any:
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.fc(x + self.gamma * self.norm(x))

    ours = {"token": nn.Parameter(torch.zeros(1, 1, D)), "positions": nn.Parameter(torch.zeros(1, T + 1, D))}
    ours |= {"norm": Norm(), "gamma": nn.Parameter(torch.ones(D)), "fc": nn.Linear(D, 3)}

    class Token(layers.Layer):
        def build(self, shape: Any) -> None:
            self.token = self.add_weight(shape=(D,), name="token")

        def call(self, x: Any) -> Any:
            return ops.concatenate([ops.broadcast_to(self.token, (ops.shape(x)[0], 1, D)), x], 1)

    class Scale(layers.Layer):
        def build(self, shape: Any) -> None:
            self.gamma = self.add_weight(shape=(D,), name="gamma")

        def call(self, x: Any) -> Any:
            return x * self.gamma

    def call(self: Any, x: Any) -> Any:
        places = ops.arange(T + 1)
        x = self.token(x) + self.positions(places[::-1] if wrong == "positions" else places)
        return self.fc(x + self.scale(self.norm(x)))

    epsilon = 1e-3 if wrong == "eps" else 1e-6
    theirs = {"token": Token(), "positions": layers.Embedding(T + 1, D), "scale": Scale(), "fc": layers.Dense(3)}
    return Torch(forward, **ours), Keras(call, norm=layers.RMSNormalization(epsilon=epsilon), **theirs)


def tied(wrong: str) -> Pair:
    """torch's head is its embedding; Keras multiplies by its embedding."""
    parts = {"table": nn.Embedding(11, D), "fc": nn.Linear(D, D), "head": nn.Linear(D, 11, bias=False)}
    ours = Torch(lambda self, x: self.head(torch.tanh(self.fc(self.table(x)))), **parts)
    parts["head"].weight = parts["table"].weight

    def call(self: Any, x: Any) -> Any:
        return ops.matmul(self.fc(self.table(x)), ops.transpose(self.table.embeddings))

    fc = layers.Dense(D, activation="relu" if wrong else "tanh")
    return ours, Keras(call, table=layers.Embedding(11, D), fc=fc)


def computed(wrong: str) -> Pair:
    """Weights that torch makes of others."""
    first = nn.utils.parametrizations.weight_norm(nn.Linear(D, 6))
    ours = nn.Sequential(first, nn.ReLU(), nn.utils.parametrizations.spectral_norm(nn.Linear(6, 3)))
    activation = "elu" if wrong else "relu"
    return ours, keras.Sequential([keras.Input((T, D)), layers.Dense(6, activation=activation), layers.Dense(3)])


# A pair, and its faults with the step that each must be found at (one of these, by the start of its path).
PAIRS: dict[str, tuple[Callable[[str], Pair], dict[str, tuple[str, ...]]]] = {
    "fused against three": (fused_against_three, {"values for keys": ("scaled", "proj")}),
    "heads against three": (heads_against_three, {"scale": ("scaled", "proj")}),
    "three against fused": (three_against_fused, {"keys for values": ("scaled", "out_proj")}),
    "attention": (attention, {"mask": ("add",), "eps": ("norm",)}),
    "encoder": (encoder, {"gelu": ("relu", "dropout")}),
    "grouped queries": (grouped_queries, {"features exchanged": ("output", "o")}),
    "einsum": (einsum, {"axis": ("softmax",)}),
    "pixels": (pixels, {"elu": ("2", "3", "output")}),
    "by hand": (by_hand, {"positions": ("add",), "eps": ("norm", "add", "fc")}),
    "tied": (tied, {"relu": ("tanh", "output")}),
    "computed": (computed, {"elu": ("1",)}),
}
