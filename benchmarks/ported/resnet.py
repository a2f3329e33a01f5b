"""A residual network (He et al. 2016), small: blocks as modules on one side, as functions of a graph on the other."""

import keras
import torch
from keras import layers
from torch import nn
from torch.nn import functional as F

SHAPE = (3, 16, 16)


class Block(nn.Module):
    def __init__(self, width, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = None
        if stride != 1 or width != out:
            self.shortcut = nn.Sequential(nn.Conv2d(width, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        s = x if self.shortcut is None else self.shortcut(x)
        return F.relu(y + s)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.layer1 = Block(8, 8)
        self.layer2 = Block(8, 16, stride=2)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = (x - 0.45) / 0.225
        x = F.relu(self.norm(self.stem(x)))
        x = self.layer1(x)
        x = self.layer2(x)
        x = F.adaptive_avg_pool2d(x, 1)
        x = torch.flatten(x, 1)
        return self.fc(x)


# In Keras.


def batch_norm(x, name):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def block(x, out, stride, name):
    y = x
    if stride != 1:
        y = layers.ZeroPadding2D(1, name=name + "_pad")(y)
    y = layers.Conv2D(out, 3, stride, "same" if stride == 1 else "valid", use_bias=False, name=name + "_conv1")(y)
    y = batch_norm(y, name + "_bn1")
    y = layers.ReLU(name=name + "_relu1")(y)
    y = layers.Conv2D(out, 3, 1, "same", use_bias=False, name=name + "_conv2")(y)
    y = batch_norm(y, name + "_bn2")
    s = x
    if stride != 1:
        s = layers.Conv2D(out, 1, stride, use_bias=False, name=name + "_proj")(s)
        s = batch_norm(s, name + "_proj_bn")
    y = layers.Add(name=name + "_add")([y, s])
    return layers.ReLU(name=name + "_relu2")(y)


def keras_model():
    given = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 0.225, offset=-0.45 / 0.225, name="scale")(given)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x)
    x = batch_norm(x, "norm")
    x = layers.ReLU(name="relu")(x)
    x = block(x, 8, 1, "layer1")
    x = block(x, 16, 2, "layer2")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(5, name="fc")(x)
    return keras.Model(given, x)
