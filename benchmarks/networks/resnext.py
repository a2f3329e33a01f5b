"""ResNeXt's block (Xie et al. 2017), small: a grouped convolution, and a shortcut that is projected."""

import keras
from keras import layers
from torch import nn

SHAPE = (4, 8, 8)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 8, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8, eps=1e-5, momentum=0.1)
        self.relu1 = nn.ReLU()
        self.grouped = nn.Conv2d(8, 16, 3, padding=1, groups=4)
        self.short = nn.Conv2d(4, 16, 1, bias=False)
        self.relu2 = nn.ReLU()
        self.head = nn.Conv2d(16, 3, 1)

    def forward(self, x):
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.grouped(y)
        x = self.relu2(self.short(x) + y)  # at: relu2
        return self.head(x)


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv1 = layers.Conv2D(8, 1, use_bias=False, name="conv1")
        self.bn1 = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="bn1")
        self.relu1 = layers.ReLU(name="relu1")
        self.grouped = layers.Conv2D(16, 3, padding="same", groups=4, name="grouped")
        self.short = layers.Conv2D(16, 1, use_bias=False, name="short")
        self.relu2 = layers.ReLU(name="relu2")
        self.head = layers.Conv2D(3, 1, name="head")

    def call(self, x, training=False):
        y = self.relu1(self.bn1(self.conv1(x), training=training))
        y = self.grouped(y)
        x = self.relu2(self.short(x) + y)  # at: relu2
        return self.head(x)


def keras_model():
    return Keras()
