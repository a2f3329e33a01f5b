"""MobileNetV3's block (Howard et al. 2019), small: depthwise convolutions, gates, ReLU6, strides, a classifier."""

import keras
from keras import layers, ops
from torch import nn

SHAPE = (3, 20, 20)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(8, eps=1e-3, momentum=0.01)
        self.act0 = nn.Hardswish()
        self.expand = nn.Conv2d(8, 16, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16, eps=1e-3, momentum=0.01)
        self.act1 = nn.ReLU6()
        self.depth = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.bn2 = nn.BatchNorm2d(16, eps=1e-3, momentum=0.01)
        self.act2 = nn.ReLU6()
        self.squeeze = nn.Conv2d(16, 4, 1)
        self.act3 = nn.ReLU()
        self.excite = nn.Conv2d(4, 16, 1)
        self.gate = nn.Hardsigmoid()
        self.project = nn.Conv2d(16, 8, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(8, eps=1e-3, momentum=0.01)
        self.last = nn.Conv2d(8, 16, 3, padding=1)
        self.act4 = nn.LeakyReLU(0.1)
        self.pool = nn.AvgPool2d(2)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.act0(self.bn0(self.stem(x)))
        y = self.act1(self.bn1(self.expand(x)))
        y = self.act2(self.bn2(self.depth(y)))
        s = y.mean((2, 3), keepdim=True)  # at: squeeze
        s = self.gate(self.excite(self.act3(self.squeeze(s))))
        y = y * s  # at: project
        x = x + self.bn3(self.project(y))  # at: last
        x = self.act4(self.last(x))
        x = self.pool(x)
        x = x.mean((2, 3))  # at: fc
        return self.fc(self.drop(x))


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.pad = layers.ZeroPadding2D(1, name="pad")
        self.stem = layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem")
        self.bn0 = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name="bn0")
        self.act0 = layers.Activation("hard_silu", name="act0")
        self.expand = layers.Conv2D(16, 1, use_bias=False, name="expand")
        self.bn1 = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name="bn1")
        self.act1 = layers.ReLU(6.0, name="act1")
        self.depth = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depth")
        self.bn2 = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name="bn2")
        self.act2 = layers.ReLU(6.0, name="act2")
        self.squeeze = layers.Conv2D(4, 1, name="squeeze")
        self.act3 = layers.ReLU(name="act3")
        self.excite = layers.Conv2D(16, 1, name="excite")
        self.gate = layers.Activation("hard_sigmoid", name="gate")
        self.project = layers.Conv2D(8, 1, use_bias=False, name="project")
        self.bn3 = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name="bn3")
        self.last = layers.Conv2D(16, 3, padding="same", name="last")
        self.act4 = layers.LeakyReLU(0.1, name="act4")
        self.pool = layers.AveragePooling2D(2, name="pool")
        self.drop = layers.Dropout(0.2, name="drop")
        self.fc = layers.Dense(5, name="fc")

    def call(self, x, training=False):
        x = self.act0(self.bn0(self.stem(self.pad(x)), training=training))
        y = self.act1(self.bn1(self.expand(x), training=training))
        y = self.act2(self.bn2(self.depth(y), training=training))
        s = ops.mean(y, (1, 2), keepdims=True)  # at: squeeze
        s = self.gate(self.excite(self.act3(self.squeeze(s))))
        y = y * s  # at: project
        x = x + self.bn3(self.project(y), training=training)  # at: last
        x = self.act4(self.last(x))
        x = self.pool(x)
        x = ops.mean(x, (1, 2))  # at: fc
        return self.fc(self.drop(x, training=training))


def keras_model():
    return Keras()
