"""LeNet (LeCun et al. 1998) as a tutorial has it: two lists of layers, a flatten, a softmax outside of the model."""

import keras
from keras import layers
from torch import nn

SHAPE = (1, 20, 20)


class Torch(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 8, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.Flatten(),
            nn.Linear(72, 16),
            nn.ELU(),
            nn.Dropout(0.3),
            nn.Linear(16, 10),
        )


def keras_model():
    return keras.Sequential(
        [
            keras.Input((20, 20, 1)),
            layers.Conv2D(6, 5, padding="same", name="c1"),
            layers.Activation("tanh"),
            layers.AveragePooling2D(2),
            layers.ZeroPadding2D(1),
            layers.Conv2D(8, 3, strides=2, name="c2"),
            layers.LeakyReLU(negative_slope=0.1),
            layers.Lambda(lambda x: keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1e9)),
            layers.MaxPooling2D(3, strides=2),
            layers.Permute((3, 1, 2)),
            layers.Flatten(),
            layers.Dense(16, name="d1"),
            layers.ELU(),
            layers.Dropout(0.3),
            layers.Dense(10, name="d2"),
        ]
    )
