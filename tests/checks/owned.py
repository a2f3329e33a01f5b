"""Pairs of models that people port by hand: a factory for each framework, names and layouts of their own."""

import keras
import torch
from torch import nn


class TorchImage(nn.Module):
    """A convolution, a norm, and a Dense on the flattened image: its rows lie otherwise in Keras."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6, eps=1e-3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.head = nn.Linear(6 * 4 * 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).flatten(1))


def keras_image(activation: str = "relu") -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, padding="same")(image)
    x = keras.layers.Activation(activation)(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(x))
    return keras.Model(image, keras.layers.Dense(5)(x))


def keras_wrong() -> keras.Model:
    return keras_image("gelu")


def keras_wide() -> keras.Model:
    image = keras.Input((8, 8, 3))
    return keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(keras.layers.Conv2D(7, 3)(image))))


class KerasOwn(keras.Model):
    """Subclassed, and built in its first call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = keras.layers.Conv2D(6, 3, padding="same")
        self.norm = keras.layers.BatchNormalization(momentum=0.9)
        self.out = keras.layers.Dense(5)

    def call(self, x: object, training: bool = False) -> object:
        x = keras.ops.relu(self.norm(self.conv(x), training=training))
        x = keras.ops.max_pool(x, 2)
        return self.out(keras.ops.reshape(x, (-1, 6 * 4 * 4)))


class TorchText(nn.Module):
    """Token ids through an embedding and an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 4)
        self.memory = nn.LSTM(4, 5, batch_first=True)
        self.out = nn.Linear(5, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(self.memory(self.words(ids))[0][:, -1])


def keras_text() -> keras.Model:
    ids = keras.Input((7,), dtype="int32")
    x = keras.layers.LSTM(5)(keras.layers.Embedding(11, 4)(ids))
    return keras.Model(ids, keras.layers.Dense(3)(x))


class TorchAttention(nn.Module):
    """Attention, whose weights torch keeps in one piece and Keras in three."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.attention(x, x, x, need_weights=False)[0])


def keras_attention() -> keras.Model:
    x = keras.Input((6, 8))
    return keras.Model(x, keras.layers.Dense(3)(keras.layers.MultiHeadAttention(2, 4)(x, x)))


def randomised(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            low = 0.5 if name.endswith("running_var") else -0.4
            tensor.uniform_(low, 1.2, generator=generator)
    return model.eval()


class TorchTied(nn.Module):
    """One weight under two names, as language models have it; a bias that its partner lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(12, 6)
        self.hidden = nn.Linear(6, 6)
        self.out = nn.Linear(6, 12, bias=False)
        self.out.weight = self.words.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.hidden(self.words(ids))))


class KerasTied(keras.Model):
    """The same by a product with the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words = keras.layers.Embedding(12, 6)
        self.hidden = keras.layers.Dense(6, activation="tanh")

    def call(self, ids: object) -> object:
        return keras.ops.matmul(self.hidden(self.words(ids)), keras.ops.transpose(self.words.embeddings))


def keras_unbiased() -> keras.Model:
    """`keras_image` without the bias that the norm behind takes off again."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, padding="same", use_bias=False)(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(x))
    return keras.Model(image, keras.layers.Dense(5)(x))
