"""Pairs as they are ported by hand: (torch's model, Keras's), right, or with one fault planted in Keras's."""

import math
from collections.abc import Callable
from typing import Any

import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional

from .pieces import Keras, Pair, Torch

D, H, T = 8, 2, 5


class Conv1D(nn.Module):
    """A projection whose weight has its inputs first, as OpenAI's GPT-2 has it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * 0.3)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Any) -> Any:
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).reshape(*x.shape[:-1], -1)


def attended(q: Any, k: Any, v: Any) -> Any:
    q, k, v = (x.reshape(len(x), T, H, -1).transpose(1, 2) for x in (q, k, v))
    scores = (q @ k.transpose(2, 3) / math.sqrt(D // H)).masked_fill(torch.ones(T, T).triu(1) > 0, float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(len(q), T, D)


class Attention(layers.Layer):
    """Its layers are its own affair, by their names."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._query, self._key, self._value, self._out = (layers.Dense(D) for _ in range(4))
        self.layers, self._size = [layers.LayerNormalization(epsilon=1e-5)], size

    def call(self, x: Any) -> Any:
        y = self.layers[0](x)
        q, k, v = (ops.reshape(each(y), (-1, T, H, D // H)) for each in (self._query, self._key, self._value))
        scores = ops.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(self._size)
        weights = ops.softmax(ops.where(ops.tril(ops.ones((T, T))) > 0, scores, -1e30))
        return x + self._out(ops.reshape(ops.einsum("bhqk,bkhd->bqhd", weights, v), (-1, T, D)))


def inputs_first(wrong: str) -> Pair:
    def forward(self: Any, x: Any) -> Any:
        return self.ln_f(x + self.c_proj(attended(*self.c_attn(self.ln_1(x)).split(D, 2))))

    parts = {"c_attn": Conv1D(D, 3 * D), "c_proj": Conv1D(D, D), "ln_1": nn.LayerNorm(D), "ln_f": nn.LayerNorm(D)}
    own = {"block": Attention(D if wrong else D // H), "norm": layers.LayerNormalization(epsilon=1e-5)}
    return Torch(forward, **parts), Keras(lambda self, x: self.norm(self.block(x)), **own)


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(D // H))

    def forward(self, x: Any) -> Any:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class ScaledInKeras(layers.Layer):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(D // H,), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + self.eps) * self.scale


class Normed(nn.Module):
    """Queries and keys are normed, head by head; what is a query's is not all one projection."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(D, D, bias=False) for _ in range(4))
        self.q_norm, self.k_norm = Scaled(), Scaled()

    def forward(self, x: Any) -> Any:
        q, k, v = (each(x).view(len(x), T, H, -1) for each in (self.q_proj, self.k_proj, self.v_proj))
        return x + self.o_proj(attended(self.q_norm(q).flatten(2), self.k_norm(k).flatten(2), v.flatten(2)))


class NormedInKeras(layers.Layer):
    def __init__(self, wrong: bool) -> None:
        super().__init__()
        self._query_norm, self._key_norm = ScaledInKeras(1e-5 if wrong else 1e-6), ScaledInKeras(1e-6)
        self._query, self._key, self._value = (layers.EinsumDense("btd,ndh->btnh", (T, H, D // H)) for _ in range(3))
        self._out = layers.EinsumDense("btnh,nhd->btd", (T, D))

    def call(self, x: Any) -> Any:
        q, k, v = self._query_norm(self._query(x)), self._key_norm(self._key(x)), self._value(x)
        scores = ops.einsum("bknh,bqnh->bnqk", k, q) / math.sqrt(D // H)
        weights = ops.softmax(ops.where(ops.tril(ops.ones((T, T))) > 0, scores, -1e30))
        return x + self._out(ops.einsum("bnqk,bknh->bqnh", weights, v))


def heads_first(wrong: str) -> Pair:
    own = Keras(lambda self, x: self._two(self._one(x)), _one=NormedInKeras(bool(wrong)), _two=NormedInKeras(False))
    return nn.Sequential(Normed(), Normed()), own


class Rotary(nn.Module):
    """Its frequencies are a buffer in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", 10000.0 ** (-torch.arange(0, D, 2).float() / D), persistent=False)

    def forward(self, x: Any) -> Any:
        angles = torch.outer(torch.arange(T), self.frequencies).repeat(1, 2)
        return angles.cos(), angles.sin()


def turned(x: Any, cos: Any, sin: Any) -> Any:
    return x * cos + torch.cat([-x[..., D // 2 :], x[..., : D // 2]], -1) * sin


class Turn(layers.Layer):
    """The frequencies are computed, in whatever the model computes in."""

    def __init__(self, base: float) -> None:
        super().__init__()
        self.base = base

    def call(self, x: Any) -> Any:
        frequencies = self.base ** (-ops.arange(0, D, 2, dtype=x.dtype) / D)
        angles = ops.tile(ops.arange(T, dtype=x.dtype)[:, None] * frequencies, (1, 2))
        first, second = ops.split(x, 2, axis=-1)
        return x * ops.cos(angles) + ops.concatenate([-second, first], -1) * ops.sin(angles)


def rotary(wrong: str) -> Pair:
    def forward(self: Any, x: Any) -> Any:
        cos, sin = self.rotary(x)
        q, k = turned(self.q(x), cos, sin), turned(self.k(x), cos, sin)
        return self.norm(x + (q @ k.transpose(1, 2) / T).tanh() @ x)

    parts = {"rotary": Rotary(), "q": nn.Linear(D, D), "k": nn.Linear(D, D), "norm": nn.LayerNorm(D)}

    def call(self: Any, x: Any) -> Any:
        q, k = self.turn(self.q(x)), self.turn(self.k(x))
        return self.norm(x + ops.matmul(ops.tanh(ops.matmul(q, ops.transpose(k, (0, 2, 1))) / T), x))

    own = {"q": layers.Dense(D), "k": layers.Dense(D), "turn": Turn(10100.0 if wrong == "base" else 10000.0)}
    eps = 1.01e-5 if wrong == "eps behind it" else 1e-5
    return Torch(forward, **parts), Keras(call, **own, norm=layers.LayerNormalization(epsilon=eps))


def called_in_another_order(wrong: str) -> Pair:
    def forward(self: Any, x: Any) -> Any:
        gated = functional.silu(self.gate_proj(x)) * self.up_proj(x)
        return self.down_proj(gated)

    parts = {"gate_proj": nn.Linear(D, 12), "up_proj": nn.Linear(D, 12), "down_proj": nn.Linear(12, D)}
    act: Callable[[Any], Any] = ops.relu if wrong else ops.silu

    def call(self: Any, x: Any) -> Any:
        wide = self._intermediate(x)
        return self._output(ops.add(0.0, ops.einsum("btd,btd->btd", wide, act(self._gate(x)))))

    own = {"_gate": layers.Dense(12), "_intermediate": layers.Dense(12), "_output": layers.Dense(D)}
    return Torch(forward, **parts), Keras(call, **own)


def unread_rows(wrong: str) -> Pair:
    """torch counts positions from behind that of the padding: its first two rows are never read."""
    parts = {"words": nn.Embedding(11, D), "positions": nn.Embedding(T + 4, D, padding_idx=1), "out": nn.Linear(D, 3)}
    ours = Torch(lambda self, x: self.out(self.words(x) + self.positions(torch.arange(T) + 2)), **parts)
    step = -1 if wrong else 1
    own = {"words": layers.Embedding(11, D), "places": layers.Embedding(T + 2, D), "out": layers.Dense(3)}
    return ours, Keras(lambda self, x: self.out(self.words(x) + self.places(ops.arange(T)[::step])), **own)


def made_of_nothing(wrong: str) -> Pair:
    """What Keras makes without a word on its dtype; a square of numbers that is a matrix and no image."""

    def call(self: Any, x: Any) -> Any:
        turn = ops.reshape(self.turn(ops.max(x, 1)), (-1, D, D)) + 2 * ops.eye(D)
        turn = ops.transpose(turn, (0, 2, 1)) if wrong == "transposed" else turn
        own = ops.one_hot(ops.argmax(x, -1), D) * (2 if wrong == "twice" else 1)
        return self.out(ops.matmul(x, turn) + own)

    def forward(self: Any, x: Any) -> Any:
        turn = self.turn(x.max(1).values).view(-1, D, D) + 2 * torch.eye(D)
        return self.out(torch.bmm(x, turn) + functional.one_hot(x.argmax(-1), D))

    parts = {"turn": nn.Linear(D, D * D), "out": nn.Linear(D, 3)}
    return Torch(forward, **parts), Keras(call, turn=layers.Dense(D * D), out=layers.Dense(3))


PAIRS: dict[str, tuple[Callable[[str], Pair], tuple[tuple[str, str], ...]]] = {
    "inputs first": (inputs_first, (("scale", "masked_fill"),)),
    "heads first": (heads_first, (("eps", "0.q_norm"),)),
    "rotary": (rotary, (("base", "div"), ("eps behind it", "norm"))),
    "another order": (called_in_another_order, (("relu", "multiply"),)),
    "unread rows": (unread_rows, (("reversed", "add"),)),
    "made of nothing": (made_of_nothing, (("transposed", "add"), ("twice", "add"))),
}
