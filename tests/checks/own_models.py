"""Models as people write them: the same network in several styles of each framework, with other names."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F
from keras import layers, ops
from torch import Tensor, nn

SHAPE = (3, 12, 12)


class TorchModules(nn.Module):
    """A small residual net: one ReLU module for all, flatten before the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.shortcut = nn.Conv2d(3, 8, 1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8 * 6 * 6, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))
        return self.fc(self.drop(torch.flatten(self.pool(y), 1)))


class TorchFunctions(TorchModules):
    """The same with functions: `F.relu`, `F.max_pool2d`, `view`, and no dropout."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))
        return self.fc(F.max_pool2d(y, 2).view(len(x), -1))


def norm(**options: Any) -> layers.BatchNormalization:
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, **options)


def keras_functional(relu: bool = True, scale: float = 1.0) -> keras.Model:
    """Other names; the shortcut first; a padding layer of its own. Without `relu` the first activation is missing."""
    x = keras.Input((12, 12, 3))
    short = layers.Conv2D(8, 1, name="projection")(x)
    y = layers.Conv2D(8, 3, name="a")(layers.ZeroPadding2D(1, name="a_pad")(x))
    y = norm(name="a_norm")(y)
    y = layers.ReLU(name="a_relu")(y) if relu else y
    y = norm(name="b_norm")(layers.Conv2D(8, 3, padding="same", name="b")(y))
    y = layers.Add(name="sum")([short, y])
    y = layers.MaxPooling2D(2)(layers.Activation("relu")(y))
    y = layers.Rescaling(scale)(y)
    y = layers.Dense(5, name="head")(layers.Flatten()(y))
    return keras.Model(x, y)


class KerasSubclassed(keras.Model):
    """The same names as torch's for layers with weights; operations in `call`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = layers.Conv2D(8, 3, padding="same")
        self.bn1 = norm()
        self.conv2 = layers.Conv2D(8, 3, padding="same")
        self.bn2 = norm()
        self.shortcut = layers.Conv2D(8, 1)
        self.fc = layers.Dense(5)

    def call(self, x: Any) -> Any:
        y = ops.relu(self.bn1(self.conv1(x)))
        y = keras.activations.relu(self.bn2(self.conv2(y)) + self.shortcut(x))
        return self.fc(ops.reshape(ops.max_pool(y, 2), (len(x), -1)))


class KerasRenamed(KerasSubclassed):
    """Subclassed, and with other names."""

    def __init__(self) -> None:
        keras.Model.__init__(self)
        self.stem = layers.Conv2D(8, 3, padding="same")
        self.stem_norm = norm()
        self.body = layers.Conv2D(8, 3, padding="same")
        self.body_norm = norm()
        self.around = layers.Conv2D(8, 1)
        self.head = layers.Dense(5)
        self.flat, self.pool = layers.Flatten(), layers.MaxPooling2D(2)
        self.act1, self.act2 = layers.ReLU(), layers.ReLU()

    def call(self, x: Any) -> Any:
        y = self.act1(self.stem_norm(self.stem(x)))
        y = self.act2(self.body_norm(self.body(y)) + self.around(x))
        return self.head(self.flat(self.pool(y)))


def keras_subclassed() -> keras.Model:
    return built(KerasSubclassed())


def keras_renamed() -> keras.Model:
    return built(KerasRenamed())


def built(model: keras.Model) -> keras.Model:
    model(np.zeros((1, 12, 12, 3), "float32"))
    return model


def torch_plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.Flatten(),
        nn.Linear(288, 4),
    )


def keras_plain(last: str | None = None) -> keras.Model:
    """Activations fused: the numbers of the layers are others than in torch's Sequential."""
    conv = [layers.Conv2D(8, 3, activation="relu"), layers.Conv2D(8, 3, activation="relu"), layers.Conv2D(8, 3)]
    return keras.Sequential([keras.Input((12, 12, 3)), *conv, layers.Flatten(), layers.Dense(4, activation=last)])


class TorchTwins(nn.Module):
    """Two branches that nothing tells apart, summed."""

    def __init__(self, concatenate: bool = False) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.last = nn.Conv2d(8 if concatenate else 4, 2, 1)
        self.concatenate = concatenate

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.left(x), self.right(x)
        return self.last(torch.cat([a, b], 1) if self.concatenate else a + b)


def keras_twins(concatenate: bool = False, names: tuple[str, str] = ("one", "two")) -> keras.Model:
    x = keras.Input((12, 12, 3))
    a, b = (layers.Conv2D(4, 3, name=name)(x) for name in names)
    joint = layers.Concatenate()([a, b]) if concatenate else layers.Add()([a, b])
    return keras.Model(x, layers.Conv2D(2, 1, name="end")(joint))


class TorchText(nn.Module):
    """Begins with an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(13, 6)
        self.norm = nn.LayerNorm(6)
        self.mix = nn.Linear(6, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(self.out(F.silu(self.mix(self.norm(self.words(x)))).mean(1)), -1)


def keras_text() -> keras.Model:
    x = keras.Input((7,), dtype="int32")
    y = layers.LayerNormalization(epsilon=1e-5)(layers.Embedding(13, 6)(x))
    y = layers.GlobalAveragePooling1D()(layers.Dense(4, activation="silu")(y))
    return keras.Model(x, layers.Dense(2, activation="log_softmax")(y))


class TorchTwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.fc(x + y)


def keras_two_inputs() -> keras.Model:
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    return keras.Model([x, y], layers.Dense(2, name="fc")(layers.Add()([x, y])))


class TorchOne(nn.Module):
    """A layer that runs twice, between functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.conv(F.interpolate(x, scale_factor=2)))
        return F.softmax(F.adaptive_avg_pool2d(self.conv(y), 1).flatten(1), 1)


def keras_one(last: Callable[..., Any] | str = "softmax") -> keras.Model:
    x = keras.Input((12, 12, 3))
    conv = layers.Conv2D(3, 3, padding="same", name="shared")
    y = layers.Activation("gelu")(conv(layers.UpSampling2D(2)(x)))
    return keras.Model(x, layers.Activation(last)(layers.GlobalAveragePooling2D()(conv(y))))
