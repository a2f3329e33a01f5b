"""A residual network for CIFAR (He et al. 2016), small, with shortcuts A: every other pixel, channels of zeros."""

import keras
from keras import layers, ops
from torch import nn
from torch.nn import functional as F

SHAPE = (3, 16, 16)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(8)
        self.conv1 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.linear = nn.Linear(16, 5)

    def forward(self, x):
        x = x[:, :, 1:-1, 1:-1]
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.relu(self.bn0(self.conv0(x)))
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        s = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))
        x = F.relu(y + s)
        x = F.avg_pool2d(x, 8)
        x = x.view(x.size(0), -1)
        return self.linear(x)


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv0 = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv0")
        self.bn0 = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn0")
        self.conv1 = layers.Conv2D(16, 3, strides=2, use_bias=False, name="conv1")
        self.bn1 = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn1")
        self.conv2 = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv2")
        self.bn2 = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn2")
        self.linear = layers.Dense(5, name="linear")

    def call(self, x, training=False):
        x = x[:, 1:-1, 1:-1, :]
        x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        x = ops.relu(self.bn0(self.conv0(x), training=training))
        y = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        y = ops.relu(self.bn1(self.conv1(y), training=training))
        y = self.bn2(self.conv2(y), training=training)
        s = ops.pad(x[:, ::2, ::2, :], ((0, 0), (0, 0), (0, 0), (4, 4)))
        x = ops.relu(y + s)
        x = ops.average_pool(x, 8, 8)
        x = ops.reshape(x, (-1, 16))
        return self.linear(x)


def keras_model():
    return Keras()
