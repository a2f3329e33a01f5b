"""A tagger of sequences (Graves and Schmidhuber 2005), small: a convolution, LSTM both ways, GRU, attention."""

import keras
import torch
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

SHAPE = (12, 8)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)
        self.conv = nn.Conv1d(8, 8, 3)
        self.relu = nn.ReLU()
        self.fwd = nn.LSTM(8, 6, batch_first=True)
        self.bwd = nn.LSTM(8, 6, batch_first=True)
        self.norm = nn.LayerNorm(12, eps=1e-5)
        self.gru = nn.GRU(12, 12, batch_first=True)
        self.attn = nn.MultiheadAttention(12, 3, batch_first=True)
        self.ff = nn.Linear(12, 12)
        self.tanh = nn.Tanh()
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        x = self.proj(x)
        y = F.pad(x.transpose(1, 2), (2, 0))  # at: conv
        x = self.relu(self.conv(y).transpose(1, 2))
        ahead = self.fwd(x)[0]
        back = self.bwd(x.flip(1))[0].flip(1)  # at: bwd
        x = torch.cat([ahead, back], -1)  # at: norm
        x = self.norm(x)
        x = self.gru(x)[0]
        x = x + self.attn(x, x, x)[0]  # at: ff
        x = self.tanh(self.ff(x))
        return self.head(x)


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.proj = layers.Dense(8, name="proj")
        self.conv = layers.Conv1D(8, 3, padding="causal", name="conv")
        self.relu = layers.ReLU(name="relu")
        self.fwd = layers.LSTM(6, return_sequences=True, name="fwd")
        self.bwd = layers.LSTM(6, return_sequences=True, name="bwd")
        self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.gru = layers.GRU(12, return_sequences=True, reset_after=True, name="gru")
        self.attn = layers.MultiHeadAttention(3, 4, name="attn")
        self.ff = layers.Dense(12, name="ff")
        self.tanh = layers.Activation("tanh", name="tanh")
        self.head = layers.Dense(4, name="head")

    def call(self, x):
        x = self.proj(x)
        x = self.relu(self.conv(x))
        ahead = self.fwd(x)
        back = ops.flip(self.bwd(ops.flip(x, 1)), 1)  # at: bwd
        x = ops.concatenate([ahead, back], -1)  # at: norm
        x = self.norm(x)
        x = self.gru(x)
        x = x + self.attn(x, x)  # at: ff
        x = self.tanh(self.ff(x))
        return self.head(x)


def keras_model():
    model = Keras()
    model(ops.zeros((1, *SHAPE)))  # (N, time, features), as torch's
    return model
