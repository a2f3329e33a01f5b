"""A classifier of sentences (Kim 2014), small: an embedding, convolutions of several widths, the greatest of each."""

import keras
import numpy as np
import torch
from keras import layers, ops
from torch import nn

X = np.random.default_rng(0).integers(1, 30, (3, 12))


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 8)
        self.conv2 = nn.Conv1d(8, 6, 2)
        self.conv3 = nn.Conv1d(8, 6, 3)
        self.fc1 = nn.Linear(12, 10)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(10, 3)

    def forward(self, x):
        x = self.embed(x) * 8**0.5
        x = x.permute(0, 2, 1)
        a = torch.relu(self.conv2(x)).max(dim=2)[0]
        b = torch.relu(self.conv3(x)).max(dim=2)[0]
        x = torch.cat([a, b], dim=1)
        x = torch.relu(self.fc1(x))
        return torch.log_softmax(self.fc2(self.drop(x)), dim=1)


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed = layers.Embedding(30, 8)
        self.conv2 = layers.Conv1D(6, 2, activation="relu")
        self.conv3 = layers.Conv1D(6, 3, activation="relu")
        self.fc1 = layers.Dense(10, activation="relu")
        self.drop = layers.Dropout(0.5)
        self.fc2 = layers.Dense(3)

    def call(self, x, training=False):
        x = self.embed(x) * 8**0.5
        a = ops.max(self.conv2(x), axis=1)
        b = ops.max(self.conv3(x), axis=1)
        x = ops.concatenate([a, b], axis=-1)
        x = self.fc1(x)
        return ops.log_softmax(self.fc2(self.drop(x, training=training)), axis=-1)


def keras_model():
    model = Keras()
    model(ops.zeros((1, 12), "int32"))
    return model
