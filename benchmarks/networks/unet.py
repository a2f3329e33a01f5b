"""U-Net (Ronneberger et al. 2015), small: batch norms, a max pool, a transposed convolution, a concatenation."""

import keras
import torch
from keras import layers, ops
from torch import nn

SHAPE = (3, 16, 16)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8, eps=1e-5, momentum=0.1)
        self.relu1 = nn.ReLU()
        self.down = nn.MaxPool2d(2)
        self.enc2 = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16, eps=1e-5, momentum=0.1)
        self.relu2 = nn.ReLU()
        self.mid = nn.Conv2d(16, 16, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.dec = nn.Conv2d(16, 8, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(8, eps=1e-5, momentum=0.1)
        self.relu4 = nn.ReLU()
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        skip = self.relu1(self.bn1(self.enc1(x)))
        x = self.down(skip)
        x = self.relu2(self.bn2(self.enc2(x)))
        x = self.relu3(self.mid(x))
        x = self.up(x)
        x = torch.cat([skip, x], 1)  # at: dec
        x = self.relu4(self.bn3(self.dec(x)))
        return self.head(x)


class Keras(keras.Model):
    def __init__(self):
        super().__init__()
        self.enc1 = layers.Conv2D(8, 3, padding="same", name="enc1")
        self.bn1 = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="bn1")
        self.relu1 = layers.ReLU(name="relu1")
        self.down = layers.MaxPooling2D(2, name="down")
        self.enc2 = layers.Conv2D(16, 3, padding="same", use_bias=False, name="enc2")
        self.bn2 = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="bn2")
        self.relu2 = layers.ReLU(name="relu2")
        self.mid = layers.Conv2D(16, 3, padding="same", name="mid")
        self.relu3 = layers.ReLU(name="relu3")
        self.up = layers.Conv2DTranspose(8, 2, strides=2, name="up")
        self.dec = layers.Conv2D(8, 3, padding="same", name="dec")
        self.bn3 = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="bn3")
        self.relu4 = layers.ReLU(name="relu4")
        self.head = layers.Conv2D(2, 1, name="head")

    def call(self, x, training=False):
        skip = self.relu1(self.bn1(self.enc1(x), training=training))
        x = self.down(skip)
        x = self.relu2(self.bn2(self.enc2(x), training=training))
        x = self.relu3(self.mid(x))
        x = self.up(x)
        x = ops.concatenate([skip, x], -1)  # at: dec
        x = self.relu4(self.bn3(self.dec(x), training=training))
        return self.head(x)


def keras_model():
    return Keras()
