"""A generator (Radford et al. 2016) as a tutorial has it: from a vector, by transposed convolutions, in one list."""

import keras
from keras import layers
from torch import nn

SHAPE = (16, 3, 3)


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(16, 12, 3, stride=2, padding=1, output_padding=1, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(True),
            nn.ConvTranspose2d(12, 8, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.PReLU(8),
            nn.ReflectionPad2d(1),
            nn.Conv2d(8, 8, 3),
            nn.InstanceNorm2d(8, affine=True),
            nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            nn.Conv2d(8, 12, 1),
            nn.PixelShuffle(2),
            nn.Tanh(),
        )

    def forward(self, x):
        return self.main(x)


# In Keras.


class Reflect(layers.Layer):
    def call(self, x):
        return keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")


class Shuffle(layers.Layer):
    def call(self, x):
        h, w, c = x.shape[1:]
        x = keras.ops.reshape(x, (-1, h, w, c // 4, 2, 2))
        x = keras.ops.transpose(x, (0, 1, 4, 2, 5, 3))
        return keras.ops.reshape(x, (-1, h * 2, w * 2, c // 4))


def keras_model():
    model = keras.Sequential()
    model.add(keras.Input((3, 3, 16)))
    model.add(layers.Conv2DTranspose(12, 3, strides=2, padding="valid", use_bias=False, name="up1"))
    model.add(layers.Cropping2D(((1, 0), (1, 0)), name="cut1"))
    model.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn1"))
    model.add(layers.ReLU(name="relu1"))
    model.add(layers.Conv2DTranspose(8, 4, strides=2, padding="same", use_bias=False, name="up2"))
    model.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn2"))
    model.add(layers.PReLU(shared_axes=[1, 2], name="prelu"))
    model.add(Reflect(name="reflect"))
    model.add(layers.Conv2D(8, 3, name="conv1"))
    model.add(layers.GroupNormalization(groups=-1, epsilon=1e-5, name="norm"))
    model.add(layers.LeakyReLU(0.2, name="leaky"))
    model.add(layers.UpSampling2D(2, interpolation="bilinear", name="resize"))
    model.add(layers.Conv2D(12, 1, name="conv2"))
    model.add(Shuffle(name="shuffle"))
    model.add(layers.Activation("tanh", name="tanh"))
    return model
