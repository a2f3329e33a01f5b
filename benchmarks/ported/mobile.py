"""Mobile blocks (Sandler et al. 2018, Zhang et al. 2018), small: depthwise, grouped, dilated convolutions, a gate."""

import keras
import torch
from keras import layers, ops
from torch import nn

SHAPE = (3, 18, 18)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn0 = nn.BatchNorm2d(8, eps=1e-3, momentum=0.01)
        self.act0 = nn.SiLU()
        self.depth = nn.Conv2d(8, 16, 3, padding=1, groups=8)
        self.act1 = nn.ReLU6()
        self.group = nn.Conv2d(16, 16, 3, padding=1, groups=4)
        self.act2 = nn.Hardswish()
        self.dilated = nn.Conv2d(16, 16, 3, padding=2, dilation=2)
        self.act3 = nn.GELU()
        self.reduce = nn.Linear(16, 4)
        self.expand = nn.Linear(4, 16)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.last = nn.Conv2d(16, 10, 1)
        self.act4 = nn.Softplus()

    def shuffle(self, x):
        n, c, h, w = x.shape
        return x.view(n, 4, c // 4, h, w).transpose(1, 2).reshape(n, c, h, w)

    def forward(self, x):
        x = self.act0(self.bn0(self.stem(x)))
        x = self.act1(self.depth(x))
        x = self.shuffle(x)
        x = self.act2(self.group(x))
        y = self.act3(self.dilated(x))
        s = y.mean(dim=(2, 3))
        s = torch.sigmoid(self.expand(torch.relu(self.reduce(s))))
        x = x + y * s[:, :, None, None]
        x = self.pool(x)
        x = self.act4(self.last(x))
        return torch.amax(x, dim=(2, 3))


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.pad = layers.ZeroPadding2D(1)
        self.stem = layers.Conv2D(8, 3, strides=2, name="stem")
        self.bn0 = layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name="bn0")
        self.act0 = layers.Activation("silu", name="act0")
        self.depth = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depth")
        self.act1 = layers.ReLU(max_value=6.0, name="act1")
        self.group = layers.Conv2D(16, 3, padding="same", groups=4, name="group")
        self.act2 = layers.Activation("hard_silu", name="act2")
        self.dilated = layers.Conv2D(16, 3, padding="same", dilation_rate=2, name="dilated")
        self.act3 = layers.Activation("gelu", name="act3")
        self.reduce = layers.Dense(4, activation="relu", name="reduce")
        self.expand = layers.Dense(16, activation="sigmoid", name="expand")
        self.pool = layers.AveragePooling2D(3, strides=2, padding="same", name="pool")
        self.last = layers.Conv2D(10, 1, name="last")
        self.act4 = layers.Activation("softplus", name="act4")

    def shuffle(self, x):
        h, w, c = x.shape[1:]
        x = ops.reshape(x, (-1, h, w, 4, c // 4))
        x = ops.transpose(x, (0, 1, 2, 4, 3))
        return ops.reshape(x, (-1, h, w, c))

    def call(self, x, training=False):
        x = self.act0(self.bn0(self.stem(self.pad(x)), training=training))
        x = self.act1(self.depth(x))
        x = self.shuffle(x)
        x = self.act2(self.group(x))
        y = self.act3(self.dilated(x))
        s = ops.mean(y, axis=(1, 2))
        s = self.expand(self.reduce(s))
        x = x + y * s[:, None, None, :]
        x = self.pool(x)
        x = self.act4(self.last(x))
        return ops.max(x, axis=(1, 2))


def keras_model():
    return Keras()
