"""A small network with a norm, its port, and what `--gradients` says of the two."""

from typing import Any

import keras
import numpy as np
import torch
from torch import nn

import parity
from resnet_keras.layers import BatchNormalization

SHAPE = (4, 3, 8, 8)


class Net(nn.Module):
    def __init__(self, stay: bool = False) -> None:
        super().__init__()
        self.stay = stay
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Any) -> Any:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))

    def train(self, mode: bool = True) -> "Net":
        super().train(mode)
        if self.stay:
            self.bn1.eval()
        return self


def port(frozen: tuple[str, ...] = (), **options: Any) -> keras.Model:
    """Net in Keras; options of its conv1."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for i in (1, 2):
        own = options if i == 1 else {}
        x = layers.Conv2D(4, 3, padding="same", name=f"conv{i}", **own)(x)
        x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"bn{i}")(x)  # Keras's own keeps the biased variance
        x = layers.ReLU()(x)
    model = keras.Model(inputs, layers.Dense(5, name="fc")(layers.GlobalAveragePooling2D()(x)))
    for name in frozen:
        model.get_layer(name).trainable = False
    return model


def report(model: nn.Module, other: keras.Model, gradients: bool = True) -> Any:
    x = np.random.default_rng(0).standard_normal(SHAPE)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.copy_(torch.linspace(-0.3, 0.4, 4))
                module.running_var.copy_(torch.linspace(0.5, 1.5, 4))
    return parity.check(model, other, x, weights="copy", gradients=gradients)


def still(model: nn.Module, *names: str) -> nn.Module:
    for name in names:
        model.get_submodule(name).requires_grad_(False)
    return model


def penalised_port() -> keras.Model:
    return port(kernel_regularizer=keras.regularizers.L2(5e-3))


def head_alone() -> nn.Module:
    return still(Net(), "conv1")
