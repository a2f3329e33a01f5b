"""Attention, fused and split, by layers and by hand: the rows of `benchmarks.layers`."""

# ruff: noqa: E501, E731 - one row a line

import math
from typing import Any

import keras
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional

from .rows import Keras, Row, Torch, drawn, net, several, weighted

B, T, D, H = 3, 5, 8, 2
X = drawn(B, T, D)
Y = drawn(B, 7, D)


def mha(call: Any = lambda self, x: self.attn(x, x, x, need_weights=False)[0], **own: Any) -> Any:
    return lambda: Torch(call, attn=nn.MultiheadAttention(D, H, batch_first=True, **own))


def kmha(call: Any = lambda self, x: self.attn(x, x), **own: Any) -> Any:
    return lambda: Keras(call, attn=layers.MultiHeadAttention(**({"num_heads": H, "key_dim": D // H} | own)))


def causal(self: Any, x: Any) -> Any:
    mask = torch.ones(T, T, dtype=torch.bool).triu(1)
    return self.attn(x, x, x, attn_mask=mask, need_weights=False)[0]


def padded(self: Any, x: Any) -> Any:
    mask = torch.arange(T)[None, :] >= torch.tensor([4, 3, 2])[:, None]
    return self.attn(x, x, x, key_padding_mask=mask, need_weights=False)[0]


def kpadded(turned: bool = False) -> Any:
    def call(self: Any, x: Any) -> Any:
        mask = ops.arange(T)[None, :] < ops.convert_to_tensor([4, 3, 2])[:, None]
        mask = ops.logical_not(mask) if turned else mask
        return self.attn(x, x, attention_mask=mask[:, None, :])

    return call


def heads(x: Any, count: int = H) -> Any:
    return x.reshape(x.shape[0], x.shape[1], count, -1).transpose(1, 2)


def kheads(x: Any, count: int = H) -> Any:
    return ops.transpose(ops.reshape(x, (-1, x.shape[1], count, x.shape[2] // count)), (0, 2, 1, 3))


def joined(x: Any) -> Any:
    return x.transpose(1, 2).flatten(2)


def kjoined(x: Any) -> Any:
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (-1, x.shape[1], x.shape[2] * x.shape[3]))


def kattended(q: Any, k: Any, v: Any, scale: float = math.sqrt(D // H), axis: int = -1) -> Any:
    return ops.matmul(ops.softmax(ops.matmul(q, ops.swapaxes(k, -1, -2)) / scale, axis=axis), v)


def fused(split: str = "chunk") -> Any:
    def forward(self: Any, x: Any) -> Any:
        made = self.qkv(x)
        if split == "chunk":
            q, k, v = (heads(part) for part in made.chunk(3, -1))
        elif split == "timm":
            q, k, v = made.reshape(x.shape[0], T, 3, H, D // H).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = made.reshape(x.shape[0], T, H, 3 * D // H).permute(0, 2, 1, 3).chunk(3, -1)
        return self.proj(joined(functional.scaled_dot_product_attention(q, k, v)))

    return lambda: Torch(forward, qkv=nn.Linear(D, 3 * D), proj=nn.Linear(D, D))


def split(wrong: str = "") -> Any:
    def forward(self: Any, x: Any) -> Any:
        q, k, v = heads(self.q(x)), heads(self.k(x)), heads(self.v(x))
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * (D if wrong == "scale" else D // H) ** -0.5
        return self.o(joined(torch.einsum("bhqk,bhkd->bhqd", scores.softmax(2 if wrong == "axis" else -1), v)))

    return lambda: Torch(forward, **{name: nn.Linear(D, D) for name in "qkvo"})


def kfused(wrong: str = "") -> Any:
    def call(self: Any, x: Any) -> Any:
        q, k, v = ops.split(self.qkv(x), 3, axis=-1)
        q, k = (k, q) if wrong == "q for k" else (q, k)
        scale = math.sqrt(D) if wrong == "scale" else math.sqrt(D // H)
        return self.proj(kjoined(kattended(kheads(q), kheads(k), kheads(v), scale, 2 if wrong == "axis" else -1)))

    return lambda: Keras(call, qkv=layers.Dense(3 * D), proj=layers.Dense(D))


def ksplit(wrong: str = "") -> Any:
    def call(self: Any, x: Any) -> Any:
        q, k, v = (kheads(getattr(self, name)(x)) for name in ("query", "key", "value"))
        k, v = (v, k) if wrong == "v for k" else (k, v)
        return self.out(kjoined(kattended(q, k, v, math.sqrt(D) if wrong == "scale" else math.sqrt(D // H))))

    return lambda: Keras(call, **{name: layers.Dense(D) for name in ("query", "key", "value", "out")})


def grouped(kv: int = 2) -> Any:
    def forward(self: Any, x: Any) -> Any:
        q, k, v = heads(self.q(x), 4), heads(self.k(x), kv), heads(self.v(x), kv)
        return self.o(joined(functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)))

    return lambda: Torch(
        forward, q=nn.Linear(D, 16), k=nn.Linear(D, 4 * kv), v=nn.Linear(D, 4 * kv), o=nn.Linear(16, D)
    )


def kgrouped(kv: int = 2, **own: Any) -> Any:
    call = lambda self, x: self.attn(x, x, **own)
    return lambda: Keras(call, attn=layers.GroupQueryAttention(4, 4, kv))


def repeated(self: Any, x: Any) -> Any:
    q, k, v = heads(self.q(x), 4), heads(self.k(x), 2), heads(self.v(x), 2)
    k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
    return self.o(joined((q @ k.transpose(-1, -2) / 2).softmax(-1) @ v))


def encoder(**own: Any) -> Any:
    return lambda: nn.TransformerEncoderLayer(D, H, 12, batch_first=True, **({"dropout": 0.0} | own))


def kencoder(first: bool = False, activation: str = "relu", epsilon: float = 1e-5) -> Any:
    def call(self: Any, x: Any) -> Any:
        if first:
            y = self.norm1(x)
            x = x + self.attn(y, y)
            return x + self.down(self.up(self.norm2(x)))
        x = self.norm1(x + self.attn(x, x))
        return self.norm2(x + self.down(self.up(x)))

    def make() -> Any:
        norms = {name: layers.LayerNormalization(epsilon=epsilon) for name in ("norm1", "norm2")}
        attn = layers.MultiHeadAttention(H, D // H)
        return Keras(call, attn=attn, up=layers.Dense(12, activation=activation), down=layers.Dense(D), **norms)

    return make


def decoder(**own: Any) -> Any:
    def forward(self: Any, x: Any, y: Any) -> Any:
        return self.layer(
            x, y, tgt_mask=nn.Transformer.generate_square_subsequent_mask(T, dtype=x.dtype), tgt_is_causal=True
        )

    return lambda: Torch(forward, layer=nn.TransformerDecoderLayer(D, H, 12, dropout=0.0, batch_first=True, **own))


def kdecoder(mask: bool = True, activation: str = "relu") -> Any:
    def call(self: Any, x: Any, y: Any) -> Any:
        x = self.norm1(x + self.own(x, x, use_causal_mask=mask))
        x = self.norm2(x + self.cross(x, y))
        return self.norm3(x + self.down(self.up(x)))

    def make() -> Any:
        parts: dict[str, Any] = {name: layers.LayerNormalization(epsilon=1e-5) for name in ("norm1", "norm2", "norm3")}
        parts |= {name: layers.MultiHeadAttention(H, D // H) for name in ("own", "cross")}
        return Keras(call, up=layers.Dense(12, activation=activation), down=layers.Dense(D), **parts)

    return make


def rope(x: Any, base: float) -> Any:
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * base ** -(torch.arange(half, dtype=x.dtype) / half)
    angles = torch.cat([angles, angles], -1)
    return x * angles.cos() + torch.cat([-x[..., half:], x[..., :half]], -1) * angles.sin()


def krope(x: Any, base: float) -> Any:
    half = x.shape[-1] // 2
    angles = ops.cast(ops.arange(x.shape[-2]), x.dtype)[:, None] * ops.power(
        ops.cast(base, x.dtype), -(ops.cast(ops.arange(half), x.dtype) / half)
    )
    angles = ops.concatenate([angles, angles], -1)
    return x * ops.cos(angles) + ops.concatenate([-x[..., half:], x[..., :half]], -1) * ops.sin(angles)


def rotated(self: Any, x: Any) -> Any:
    q, k, v = heads(self.q(x)), heads(self.k(x)), heads(self.v(x))
    return self.o(joined(functional.scaled_dot_product_attention(rope(q, 100.0), rope(k, 100.0), v, is_causal=True)))


def krotated(base: float = 100.0, mask: bool = True) -> Any:
    def call(self: Any, x: Any) -> Any:
        q, k, v = (kheads(getattr(self, name)(x)) for name in "qkv")
        scores = ops.matmul(krope(q, base), ops.swapaxes(krope(k, base), -1, -2)) / math.sqrt(D // H)
        if mask:
            scores = ops.where(ops.triu(ops.ones((T, T), bool), 1), -1e30, scores)
        return self.o(kjoined(ops.matmul(ops.softmax(scores), v)))

    return lambda: Keras(call, **{name: layers.Dense(D) for name in "qkvo"})


def luong(layer: Any, **own: Any) -> Any:
    return lambda: built((T, D), (7, D), lambda x, y: layer(**own)([x, y]))


def built(*made: Any) -> Any:
    """A functional model of inputs of these shapes."""
    *shapes, function = made
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, function(*inputs))


def einsum(**own: Any) -> Any:
    return lambda: net((T, D), layers.EinsumDense("abc,cd->abd", (None, 6), bias_axes="d", **own))


def gated(self: Any, x: Any) -> Any:
    return self.down(functional.silu(self.gate(x)) * self.up(x))


def kgated(activation: str = "silu", exchanged: bool = False) -> Any:
    def call(self: Any, x: Any) -> Any:
        gate, up = ops.split(self.both(x), 2, -1)
        gate, up = (up, gate) if exchanged else (gate, up)
        return self.down(getattr(ops, activation)(gate) * up)

    return lambda: Keras(call, both=layers.Dense(12, use_bias=False), down=layers.Dense(D, use_bias=False))


def additive(self: Any, x: Any, y: Any) -> Any:
    scores = (torch.tanh(x[:, :, None] + y[:, None]) * self.scale).sum(-1)
    return scores.softmax(-1) @ y


P = dict.fromkeys("qkvo", nn.Linear)
HEADS = {
    "heads": (
        "torch",
        lambda: Torch(lambda self, x: self.attn(x, x, x)[0], attn=nn.MultiheadAttention(D, 4, batch_first=True)),
        "head",
    )
}
ROWS = [
    Row("MultiHeadAttention", mha(), kmha(), X, {
        "heads": ("keras", kmha(num_heads=4, key_dim=2), "head"),
        "causal": ("keras", kmha(lambda self, x: self.attn(x, x, use_causal_mask=True)), "mask|causal"),
    }),
    Row("MultiHeadAttention without bias", mha(bias=False), kmha(use_bias=False), X, {"heads": ("keras", kmha(num_heads=4, key_dim=2, use_bias=False), "head")}),
    Row("MultiHeadAttention, causal", mha(causal), kmha(lambda self, x: self.attn(x, x, use_causal_mask=True)), X, {
        "not causal": ("keras", kmha(), "mask|causal"),
    }),
    Row("key padding", mha(padded), kmha(kpadded()), X, {"opposite sense": ("keras", kmha(kpadded(True)), "mask"), "no mask": ("keras", kmha(), "mask")}),
    Row("cross attention", lambda: Torch(lambda self, x, y: self.attn(x, y, y)[0], attn=nn.MultiheadAttention(D, H, batch_first=True)),
        kmha(lambda self, x, y: self.attn(x, y)), several(X, Y), {"heads": ("keras", kmha(lambda self, x, y: self.attn(x, y), num_heads=4, key_dim=2), "head")}),
    Row("attention of other widths", lambda: Torch(lambda self, x, y: self.attn(x, y, y)[0], attn=nn.MultiheadAttention(D, H, kdim=6, vdim=6, batch_first=True)),
        kmha(lambda self, x, y: self.attn(x, y)), several(X, drawn(B, 7, 6)), {"heads": ("keras", kmha(lambda self, x, y: self.attn(x, y), num_heads=4, key_dim=2), "head")}),
    Row("attention's scores", mha(lambda self, x: self.attn(x, x, x, average_attn_weights=False)), kmha(lambda self, x: self.attn(x, x, return_attention_scores=True)), X, {
        "heads averaged": ("torch", mha(lambda self, x: self.attn(x, x, x)), ""),
    }),
    Row("attention with dropout", mha(dropout=0.2), kmha(dropout=0.2), X, {"rate": ("keras", kmha(dropout=0.4), "dropout|rate")}),
    Row("fused against MultiHeadAttention", fused("timm"), kmha(), X, {"heads": ("keras", kmha(num_heads=4, key_dim=2), "head|factor|scale|regroup|order|axis")}),
    Row("fused against three", fused(), ksplit(), X, {"v for k": ("keras", ksplit("v for k"), ""), "scale": ("keras", ksplit("scale"), "factor|scale")}),
    Row("fused by heads against three", fused("heads"), ksplit(), X, {"scale": ("keras", ksplit("scale"), "factor|scale")}),
    Row("three against fused", split(), kfused(), X, {"q for k": ("keras", kfused("q for k"), ""), "axis": ("keras", kfused("axis"), "axis"), "scale": ("torch", split("scale"), "factor|scale")}),
    Row("fused against fused", fused(), kfused(), X, {"axis": ("keras", kfused("axis"), "axis"), "scale": ("keras", kfused("scale"), "factor|scale")}),
    Row("GroupQueryAttention", grouped(), kgrouped(), X, {"causal": ("keras", kgrouped(use_causal_mask=True), "")}),
    Row("multi-query attention", grouped(1), kgrouped(1), X, {"causal": ("keras", kgrouped(1, use_causal_mask=True), "")}),
    Row("grouped by repeat_interleave", lambda: Torch(repeated, q=nn.Linear(D, 16), k=nn.Linear(D, 8), v=nn.Linear(D, 8), o=nn.Linear(16, D)), kgrouped(), X, {
        "causal": ("keras", kgrouped(use_causal_mask=True), ""),
    }),
    Row("TransformerEncoderLayer", encoder(), kencoder(), X, {
        "gelu": ("keras", kencoder(activation="gelu"), "activation|gelu"),
        "eps": ("keras", kencoder(epsilon=1e-3), "eps"),
        "norm first": ("torch", encoder(norm_first=True), ""),
    }),
    Row("TransformerEncoderLayer, norm first", encoder(norm_first=True, activation="gelu"), kencoder(True, "gelu"), X, {
        "relu": ("keras", kencoder(True, "relu"), "activation|gelu|relu"),
        "eps": ("keras", kencoder(True, "gelu", 1e-3), "eps"),
    }),
    Row("TransformerEncoder of two", lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(D, H, 12, dropout=0.0, batch_first=True), 2, enable_nested_tensor=False),
        lambda: net((T, D), kencoder()(), kencoder()()), X, {"gelu in the second": ("keras", lambda: net((T, D), kencoder()(), kencoder(activation="gelu")()), "activation|gelu")}),
    Row("TransformerDecoderLayer", decoder(), kdecoder(), several(X, Y), {
        "not causal": ("keras", kdecoder(False), ""),
        "gelu": ("keras", kdecoder(activation="gelu"), "activation|gelu"),
    }),
    Row("scaled_dot_product_attention", lambda: Torch(lambda self, q, k, v: functional.scaled_dot_product_attention(heads(q), heads(k), heads(v))),
        lambda: built((T, D), (T, D), (T, D), lambda q, k, v: kattended(kheads(q), kheads(k), kheads(v))), several(X, X, X), {
        "scale": ("keras", lambda: built((T, D), (T, D), (T, D), lambda q, k, v: kattended(kheads(q), kheads(k), kheads(v), 1.0)), "factor|scale"),
    }),
    Row("ops.dot_product_attention", lambda: Torch(lambda self, q, k, v: functional.scaled_dot_product_attention(heads(q), heads(k), heads(v)).transpose(1, 2)),
        lambda: built((T, D), (T, D), (T, D), lambda q, k, v: ops.dot_product_attention(*(ops.reshape(x, (-1, T, H, D // H)) for x in (q, k, v)))), several(X, X, X), {
        "scale": ("keras", lambda: built((T, D), (T, D), (T, D), lambda q, k, v: ops.dot_product_attention(*(ops.reshape(x, (-1, T, H, D // H)) for x in (q, k, v)), scale=1.0)), "factor|scale"),
    }),
    Row("rotary embeddings by hand", lambda: Torch(rotated, **{name: nn.Linear(D, D) for name in "qkvo"}), krotated(), X, {
        "base": ("keras", krotated(1000.0), ""),
        "not causal": ("keras", krotated(mask=False), "mask|causal"),
    }),
    Row("Attention (Luong)", lambda: Torch(lambda self, x, y: (x @ y.transpose(1, 2)).softmax(-1) @ y), luong(layers.Attention), several(X, Y), {
        "scaled": ("torch", lambda: Torch(lambda self, x, y: (x @ y.transpose(1, 2) / 2).softmax(-1) @ y), "factor|scale"),
    }),
    Row("AdditiveAttention", lambda: Torch(additive, scale=nn.Parameter(torch.ones(D))), luong(layers.AdditiveAttention), several(X, Y), {
        "no tanh": ("torch", lambda: Torch(lambda self, x, y: ((x[:, :, None] + y[:, None]) * self.scale).sum(-1).softmax(-1) @ y, scale=nn.Parameter(torch.ones(D))), "tanh|activation"),
    }),
    Row("EinsumDense", lambda: nn.Linear(D, 6), einsum(), X, {"relu": ("keras", einsum(activation="relu"), "activation")}),
    Row("EinsumDense into heads", lambda: Torch(lambda self, x: heads(self.q(x)), q=nn.Linear(D, D)), lambda: net((T, D), layers.EinsumDense("btd,dhe->bhte", (H, T, D // H), bias_axes="he")), X, {
        "relu": ("keras", lambda: net((T, D), layers.EinsumDense("btd,dhe->bhte", (H, T, D // H), bias_axes="he", activation="relu")), "activation|relu"),
    }),
    Row("SwiGLU of two against one", lambda: Torch(gated, gate=nn.Linear(D, 6, bias=False), up=nn.Linear(D, 6, bias=False), down=nn.Linear(6, D, bias=False)), kgated(), X, {
        "gelu": ("keras", kgated("gelu"), "activation|gelu|silu"),
        "exchanged": ("keras", kgated(exchanged=True), ""),
    }),
    Row("GLU", lambda: nn.GLU(-1), lambda: built((T, D), lambda x: ops.glu(x, -1)), X, {
        "exchanged": ("keras", lambda: built((T, D), lambda x: ops.sigmoid(x[..., : D // 2]) * x[..., D // 2 :]), ""),
    }),
    Row("linear attention by hand", lambda: Torch(lambda self, x: (functional.elu(self.q(x)) + 1) @ ((functional.elu(self.k(x)) + 1).transpose(1, 2) @ self.v(x)), q=nn.Linear(D, D), k=nn.Linear(D, D), v=nn.Linear(D, D)),
        lambda: Keras(lambda self, x: ops.einsum("btd,bsd,bse->bte", ops.elu(self.q(x)) + 1, ops.elu(self.k(x)) + 1, self.v(x)), q=layers.Dense(D), k=layers.Dense(D), v=layers.Dense(D)), X, {
        "no one": ("keras", lambda: Keras(lambda self, x: ops.einsum("btd,bsd,bse->bte", ops.elu(self.q(x)), ops.elu(self.k(x)) + 1, self.v(x)), q=layers.Dense(D), k=layers.Dense(D), v=layers.Dense(D)), ""),
    }),
    Row("own layer of three weights", lambda: Torch(lambda self, x: functional.scaled_dot_product_attention(x @ self.q, x @ self.k, x @ self.v), **{n: nn.Parameter(torch.randn(D, D)) for n in "qkv"}),
        lambda: net((T, D), weighted(lambda self, x: kattended(ops.matmul(x, self.q), ops.matmul(x, self.k), ops.matmul(x, self.v), math.sqrt(D)), q=(D, D), k=(D, D), v=(D, D))()), X, {
        "scale": ("keras", lambda: net((T, D), weighted(lambda self, x: kattended(ops.matmul(x, self.q), ops.matmul(x, self.k), ops.matmul(x, self.v), 1.0), q=(D, D), k=(D, D), v=(D, D))()), "factor|scale"),
    }),
]  # fmt: skip
