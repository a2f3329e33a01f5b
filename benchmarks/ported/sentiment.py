"""A classifier of sequences: an embedding, an LSTM in both directions, a GRU, and what it has in the end."""

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

X = np.random.default_rng(0).integers(1, 30, (3, 9))
X[1, 6:] = X[2, 8:] = 0  # shorter ones are filled up


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(12, 10, batch_first=True)
        self.norm = nn.LayerNorm(10)
        self.fc = nn.Linear(10, 4)

    def forward(self, x):
        x = self.embed(x)
        x, _ = self.lstm(x)
        x, _ = self.gru(x)
        x = x[:, -1]
        x = torch.tanh(self.norm(x))
        return torch.sigmoid(self.fc(x))


def keras_model():
    return keras.Sequential(
        [
            keras.Input((9,), dtype="int32"),
            layers.Embedding(30, 8, name="embed"),
            layers.Bidirectional(layers.LSTM(6, return_sequences=True), name="lstm"),
            layers.GRU(10, return_sequences=False, name="gru"),
            layers.LayerNormalization(epsilon=1e-5, name="norm"),
            layers.Activation("tanh", name="act"),
            layers.Dense(4, activation="sigmoid", name="fc"),
        ]
    )
