"""DenseNet (Huang et al. 2017), small: norms before convolutions, concatenations, pools of odd sizes, a flatten."""

import keras
import torch
from keras import layers, ops
from torch import nn

SHAPE = (3, 17, 17)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 5, stride=2, padding=2, bias=False)
        self.norm0 = nn.GroupNorm(4, 8, eps=1e-5)
        self.elu0 = nn.ELU(1.0)
        self.pool0 = nn.MaxPool2d(3, stride=2, padding=1)
        self.norm1 = nn.BatchNorm2d(8, eps=1.001e-5, momentum=0.01)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(8, 4, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(12, eps=1.001e-5, momentum=0.01)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(12, 4, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(16, eps=1.001e-5, momentum=0.01)
        self.gelu3 = nn.GELU()
        self.trans = nn.Conv2d(16, 8, 1, bias=True)
        self.pool1 = nn.AvgPool2d(2)
        self.silu = nn.SiLU()
        self.fc1 = nn.Linear(32, 16)
        self.relu4 = nn.ReLU()
        self.fc2 = nn.Linear(16, 16)
        self.tanh = nn.Tanh()
        self.fc3 = nn.Linear(16, 4)

    def forward(self, x):
        x = self.elu0(self.norm0(self.stem(x)))
        x = self.pool0(x)
        y = self.conv1(self.relu1(self.norm1(x)))
        x = torch.cat([x, y], 1)  # at: norm2
        y = self.conv2(self.relu2(self.norm2(x)))
        x = torch.cat([x, y], 1)  # at: norm3
        x = self.trans(self.gelu3(self.norm3(x)))
        x = self.silu(self.pool1(x))
        x = x.flatten(1)  # at: fc1
        x = self.tanh(self.fc2(self.relu4(self.fc1(x))))
        return self.fc3(x)


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.pad0 = layers.ZeroPadding2D(2, name="pad0")
        self.stem = layers.Conv2D(8, 5, strides=2, use_bias=False, name="stem")
        self.norm0 = layers.GroupNormalization(4, epsilon=1e-5, name="norm0")
        self.elu0 = layers.ELU(1.0, name="elu0")
        self.pool0 = layers.MaxPooling2D(3, strides=2, padding="same", name="pool0")
        self.norm1 = layers.BatchNormalization(epsilon=1.001e-5, momentum=0.99, name="norm1")
        self.relu1 = layers.ReLU(name="relu1")
        self.conv1 = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv1")
        self.norm2 = layers.BatchNormalization(epsilon=1.001e-5, momentum=0.99, name="norm2")
        self.relu2 = layers.ReLU(name="relu2")
        self.conv2 = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv2")
        self.norm3 = layers.BatchNormalization(epsilon=1.001e-5, momentum=0.99, name="norm3")
        self.gelu3 = layers.Activation("gelu", name="gelu3")
        self.trans = layers.Conv2D(8, 1, use_bias=True, name="trans")
        self.pool1 = layers.AveragePooling2D(2, name="pool1")
        self.silu = layers.Activation("silu", name="silu")
        self.turn = layers.Permute((3, 1, 2), name="turn")
        self.flatten = layers.Flatten(name="flatten")
        self.fc1 = layers.Dense(16, name="fc1")
        self.relu4 = layers.ReLU(name="relu4")
        self.fc2 = layers.Dense(16, name="fc2")
        self.tanh = layers.Activation("tanh", name="tanh")
        self.fc3 = layers.Dense(4, name="fc3")

    def call(self, x, training=False):
        x = self.elu0(self.norm0(self.stem(self.pad0(x))))
        x = self.pool0(x)
        y = self.conv1(self.relu1(self.norm1(x, training=training)))
        x = ops.concatenate([x, y], -1)  # at: norm2
        y = self.conv2(self.relu2(self.norm2(x, training=training)))
        x = ops.concatenate([x, y], -1)  # at: norm3
        x = self.trans(self.gelu3(self.norm3(x, training=training)))
        x = self.silu(self.pool1(x))
        x = self.flatten(self.turn(x))  # at: fc1
        x = self.tanh(self.fc2(self.relu4(self.fc1(x))))
        return self.fc3(x)


def keras_model():
    return Keras()
