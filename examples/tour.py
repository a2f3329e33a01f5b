"""What the notebook tour.ipynb trains and draws: one network in both frameworks, from the same weights."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from . import data, mnist_keras, mnist_torch, plots
from .training import Row, Run, Settings


def train_both(epochs: int) -> dict[str, list[Row]]:
    """The histories of cifar_resnet20 on the digits, in PyTorch and in Keras."""
    import parity

    images = data.digits(1)
    settings = Settings("cifar_resnet20", images.name, epochs, 32, 0.01, 0.0, seed=0)
    torch.manual_seed(settings.seed)
    ours = mnist_torch.build(settings, images.channels, images.size)
    theirs = mnist_keras.build(settings, images.channels, images.size)
    parity.copy_weights(ours, theirs)
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: Run(settings, images, Path(folder, name), resume=False) for name in ("PyTorch", "Keras")}
        mnist_torch.fit(runs["PyTorch"], ours)
        mnist_keras.fit(runs["Keras"], theirs)
    return {name: run.history for name, run in runs.items()}


def picture(histories: dict[str, list[Row]]) -> Any:
    """Loss and accuracy of both, on top of each other."""
    made, axes = plots.figure("The same network, trained in both frameworks", 2)
    for name, colour, line in (("PyTorch", plots.TORCH, "-"), ("Keras", plots.KERAS, "--")):
        rows = histories[name]
        epochs = [row["epoch"] for row in rows]
        axes[0].plot(epochs, [row["loss"] for row in rows], line, color=colour, label=name)
        axes[1].plot(epochs, [100 * row["val_accuracy"] for row in rows], line, color=colour, label=name)
    for axis, title in zip(axes, ("Training loss", "Held-out accuracy, %"), strict=True):
        axis.set(title=title, xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend()
    return made
