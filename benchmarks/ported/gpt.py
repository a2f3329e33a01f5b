"""A language model's block (Radford et al. 2019), small: positions, attention by hand under a mask, GELU by tanh."""

import math

import keras
import numpy as np
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

X = np.random.default_rng(0).integers(0, 20, (2, 7))
DIM, HEADS, LENGTH = 12, 3, 7


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(20, DIM)
        self.wpe = nn.Embedding(LENGTH, DIM)
        self.ln_1 = nn.LayerNorm(DIM, eps=1e-5)
        self.c_attn = nn.Linear(DIM, 3 * DIM)
        self.c_proj = nn.Linear(DIM, DIM)
        self.ln_2 = nn.LayerNorm(DIM, eps=1e-5)
        self.c_fc = nn.Linear(DIM, 4 * DIM)
        self.m_proj = nn.Linear(4 * DIM, DIM)
        self.ln_f = nn.LayerNorm(DIM, eps=1e-5)
        self.head = nn.Linear(DIM, 20, bias=False)

    def attend(self, x):
        n, t, c = x.shape
        q, k, v = self.c_attn(x).split(DIM, dim=2)
        q = q.view(n, t, HEADS, c // HEADS).transpose(1, 2)
        k = k.view(n, t, HEADS, c // HEADS).transpose(1, 2)
        v = v.view(n, t, HEADS, c // HEADS).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
        mask = torch.tril(torch.ones(t, t, dtype=torch.bool, device=x.device))
        att = att.masked_fill(~mask, float("-inf"))
        att = F.softmax(att, dim=-1)
        y = (att @ v).transpose(1, 2).contiguous().view(n, t, c)
        return self.c_proj(y)

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.wte(idx) + self.wpe(pos)
        x = x + self.attend(self.ln_1(x))
        x = x + self.m_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))
        x = self.ln_f(x)
        return self.head(x)


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.wte = layers.Embedding(20, DIM, name="wte")
        self.wpe = layers.Embedding(LENGTH, DIM, name="wpe")
        self.ln_1 = layers.LayerNormalization(epsilon=1e-5, name="ln_1")
        self.c_attn = layers.Dense(3 * DIM, name="c_attn")
        self.c_proj = layers.Dense(DIM, name="c_proj")
        self.ln_2 = layers.LayerNormalization(epsilon=1e-5, name="ln_2")
        self.c_fc = layers.Dense(4 * DIM, name="c_fc")
        self.m_proj = layers.Dense(DIM, name="m_proj")
        self.ln_f = layers.LayerNormalization(epsilon=1e-5, name="ln_f")
        self.head = layers.Dense(20, use_bias=False, name="head")

    def heads(self, x):
        n, t, c = ops.shape(x)
        return ops.transpose(ops.reshape(x, (n, t, HEADS, c // HEADS)), (0, 2, 1, 3))

    def attend(self, x):
        n, t, c = ops.shape(x)
        q, k, v = ops.split(self.c_attn(x), 3, axis=-1)
        q, k, v = self.heads(q), self.heads(k), self.heads(v)
        att = ops.matmul(q, ops.swapaxes(k, -2, -1)) / math.sqrt(c // HEADS)
        mask = ops.tril(ops.ones((t, t)))
        att = ops.where(mask == 0, float("-inf"), att)
        att = ops.softmax(att, axis=-1)
        y = ops.reshape(ops.transpose(ops.matmul(att, v), (0, 2, 1, 3)), (n, t, c))
        return self.c_proj(y)

    def call(self, idx):
        pos = ops.arange(idx.shape[1])
        x = self.wte(idx) + self.wpe(pos)
        x = x + self.attend(self.ln_1(x))
        x = x + self.m_proj(ops.gelu(self.c_fc(self.ln_2(x)), approximate=True))
        x = self.ln_f(x)
        return self.head(x)


def keras_model():
    model = Keras()
    model(ops.zeros((1, LENGTH), "int32"))
    return model
