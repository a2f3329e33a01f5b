"""A generator (Radford et al. 2016), small: a dense layer, a reshape, a transposed convolution, resizes."""

import keras
from keras import layers
from torch import nn

SHAPE = (10,)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(10, 8 * 4 * 4)
        self.bn0 = nn.BatchNorm1d(128, eps=1e-5, momentum=0.1)
        self.relu0 = nn.ReLU()
        self.up1 = nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(8, eps=1e-5, momentum=0.1)
        self.leaky1 = nn.LeakyReLU(0.2)
        self.up2 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.norm2 = nn.InstanceNorm2d(8, eps=1e-5, affine=True)
        self.prelu = nn.PReLU(8)
        self.up3 = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv3 = nn.Conv2d(8, 3, 3, padding=1)
        self.tanh = nn.Tanh()

    def forward(self, x):
        x = self.relu0(self.bn0(self.fc(x)))
        x = x.reshape(-1, 8, 4, 4)  # at: up1
        x = self.leaky1(self.bn1(self.up1(x)))
        x = self.up2(x)
        x = self.prelu(self.norm2(self.conv2(x)))
        x = self.up3(x)
        return self.tanh(self.conv3(x))


def keras_model():
    x = given = keras.Input((10,))
    x = layers.Dense(128, name="fc")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="bn0")(x)
    x = layers.ReLU(name="relu0")(x)
    x = layers.Reshape((8, 4, 4), name="shape")(x)  # at: up1
    x = layers.Permute((2, 3, 1), name="turn")(x)  # at: up1
    x = layers.Conv2DTranspose(8, 4, strides=2, padding="same", name="up1")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="bn1")(x)
    x = layers.LeakyReLU(0.2, name="leaky1")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="up2")(x)
    x = layers.Conv2D(8, 3, padding="same", name="conv2")(x)
    x = layers.GroupNormalization(-1, epsilon=1e-5, name="norm2")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="prelu")(x)
    x = layers.UpSampling2D(2, interpolation="nearest", name="up3")(x)
    x = layers.Conv2D(3, 3, padding="same", name="conv3")(x)
    x = layers.Activation("tanh", name="tanh")(x)
    return keras.Model(given, x)
