"""A vision transformer (Dosovitskiy et al. 2021), small: patches, a class token, attention by hand, layer norms."""

import keras
import torch
from keras import layers, ops
from torch import nn

SHAPE = (3, 16, 16)
DIM, HEADS, TOKENS = 16, 4, 17


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, DIM, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, DIM) * 0.5)
        self.position = nn.Parameter(torch.randn(1, TOKENS, DIM) * 0.5)
        self.norm1 = nn.LayerNorm(DIM, eps=1e-6)
        self.q = nn.Linear(DIM, DIM)
        self.k = nn.Linear(DIM, DIM)
        self.v = nn.Linear(DIM, DIM)
        self.out = nn.Linear(DIM, DIM)
        self.norm2 = nn.LayerNorm(DIM, eps=1e-6)
        self.fc1 = nn.Linear(DIM, 32)
        self.gelu = nn.GELU()
        self.fc2 = nn.Linear(32, DIM)
        self.norm3 = nn.LayerNorm(DIM, eps=1e-6)
        self.head = nn.Linear(DIM, 5)

    def split(self, x):
        return x.reshape(x.shape[0], TOKENS, HEADS, DIM // HEADS).transpose(1, 2)

    def attend(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = q @ k.transpose(-1, -2) * (DIM // HEADS) ** -0.5  # at: softmax
        weights = torch.softmax(scores, -1)  # at: softmax
        x = (weights @ v).transpose(1, 2)  # at: out
        return self.out(x.reshape(x.shape[0], TOKENS, DIM))

    def forward(self, x):
        x = self.patch(x)
        x = x.flatten(2).transpose(1, 2)  # at: norm1
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)  # at: norm1
        x = x + self.position  # at: norm1
        x = x + self.attend(self.norm1(x))  # at: norm2
        x = x + self.fc2(self.gelu(self.fc1(self.norm2(x))))  # at: norm3
        x = self.norm3(x)
        return self.head(x[:, 0])  # at: head


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.patch = layers.Conv2D(DIM, 4, strides=4, name="patch")
        self.token = self.add_weight(shape=(1, 1, DIM), name="token")
        self.position = self.add_weight(shape=(1, TOKENS, DIM), name="position")
        self.norm1 = layers.LayerNormalization(epsilon=1e-6, name="norm1")
        self.q = layers.Dense(DIM, name="q")
        self.k = layers.Dense(DIM, name="k")
        self.v = layers.Dense(DIM, name="v")
        self.out = layers.Dense(DIM, name="out")
        self.norm2 = layers.LayerNormalization(epsilon=1e-6, name="norm2")
        self.fc1 = layers.Dense(32, name="fc1")
        self.gelu = layers.Activation("gelu", name="gelu")
        self.fc2 = layers.Dense(DIM, name="fc2")
        self.norm3 = layers.LayerNormalization(epsilon=1e-6, name="norm3")
        self.head = layers.Dense(5, name="head")

    def split(self, x):
        return ops.transpose(ops.reshape(x, (-1, TOKENS, HEADS, DIM // HEADS)), (0, 2, 1, 3))

    def attend(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = q @ ops.swapaxes(k, -1, -2) * (DIM // HEADS) ** -0.5  # at: softmax
        weights = ops.softmax(scores, -1)  # at: softmax
        x = ops.transpose(weights @ v, (0, 2, 1, 3))  # at: out
        return self.out(ops.reshape(x, (-1, TOKENS, DIM)))

    def call(self, x):
        x = self.patch(x)
        x = ops.reshape(x, (-1, TOKENS - 1, DIM))  # at: norm1
        x = ops.concatenate([ops.broadcast_to(self.token, (ops.shape(x)[0], 1, DIM)), x], 1)  # at: norm1
        x = x + self.position  # at: norm1
        x = x + self.attend(self.norm1(x))  # at: norm2
        x = x + self.fc2(self.gelu(self.fc1(self.norm2(x))))  # at: norm3
        x = self.norm3(x)
        return self.head(x[:, 0])  # at: head


def keras_model():
    return Keras()
