"""Port a model from PyTorch to Keras and find three mistakes, one after the other, with parity.check.

The port takes over what looks the same: padding="same", LeakyReLU and BatchNormalization as Keras has them. It runs,
its shapes are right, and it computes something else. Each report names the first wrong layer and the cause; the next
port has that corrected, until the last matches. Then parity.mend makes the same edits by itself, and proves each. Of
your own two models:

    python -m parity.check --torch package.module:factory --keras package.module:factory --input-shape C,H,W
    python -m parity.mend --torch package.module:factory --keras package.module:factory --input-shape C,H,W
"""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import command
from .start import keras

INPUT = (4, 3, 16, 16)  # (N, C, H, W); the size is even, where padding="same" differs from PyTorch's padding=1
MISTAKES = ("padding", "epsilon", "slope")  # in the order in which the reports name them first


class Net(nn.Module):
    """The model to port. (N, 3, 16, 16) to (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.act1 = nn.LeakyReLU()
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(32)
        self.act2 = nn.LeakyReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.bn1(self.conv1(x)))  # (N, 16, 8, 8)
        x = self.act2(self.bn2(self.conv2(x)))  # (N, 32, 4, 4)
        return self.fc(self.flatten(self.pool(x)))  # type: ignore[no-any-return]


def port(corrected: Sequence[str] = ()) -> keras.Model:
    """The port, a functional Keras model, with those of the three mistakes corrected.

    padding: "same" pads an even input under stride 2 right and below only, PyTorch's padding=1 on all four sides.
    slope: LeakyReLU falls with 0.3 in Keras, with 0.01 in PyTorch.
    epsilon: BatchNormalization adds 1e-3 in Keras and averages with momentum 0.99; PyTorch 1e-5, and Keras's 0.9.
    """
    layers = keras.layers
    x = inputs = keras.Input((16, 16, 3))
    for number, channels in ((1, 16), (2, 32)):
        if "padding" in corrected:
            x = layers.ZeroPadding2D(1, name=f"pad{number}")(x)
            x = layers.Conv2D(channels, 3, 2, name=f"conv{number}")(x)
        else:
            x = layers.Conv2D(channels, 3, 2, padding="same", name=f"conv{number}")(x)
        if "epsilon" in corrected:
            x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"bn{number}")(x)
        else:
            x = layers.BatchNormalization(name=f"bn{number}")(x)
        if "slope" in corrected:
            x = layers.LeakyReLU(0.01, name=f"act{number}")(x)
        else:
            x = layers.LeakyReLU(name=f"act{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(10, name="fc")(x))


def trained_looking(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and statistics as training leaves them. Fresh ones (mean 0, variance 1) hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            state = module.state_dict()  # the tensors themselves, not copies
            for name in ("weight", "running_var"):
                state[name].uniform_(0.5, 1.5, generator=generator)
            for name in ("bias", "running_mean"):
                state[name].normal_(0.0, 0.3, generator=generator)
    return model


def probe(seed: int = 0) -> np.ndarray[Any, Any]:
    """A random input."""
    return np.random.default_rng(seed).standard_normal(INPUT)


def attempts() -> list[tuple[str, Any]]:
    """(what is corrected by then, the report) for the port as it came and after each correction."""
    import parity

    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    model, x = trained_looking(Net()), probe()
    found = []
    for count in range(len(MISTAKES) + 1):
        corrected = MISTAKES[:count]
        what = "as it came" if not corrected else f"{', '.join(corrected)} corrected"
        found.append((what, parity.check(model, port(corrected), x, weights="copy")))
    return found


def picture(reports: Sequence[tuple[str, Any]]) -> Any:
    """The float64 difference of every layer, one curve for each attempt."""
    from parity.verdict.difference import STRUCTURE_LINE

    from . import plots

    made, axes = plots.figure("A port, corrected until it is one", width=10, height=5)
    names = [layer.path for layer in reports[0][1].layers]
    for (what, report), colour in zip(reports, (plots.ORANGE, plots.PURPLE, plots.BLUE, plots.GREEN), strict=True):
        errors = {layer.path: max(layer.inherited.error, 1e-17) for layer in report.layers}
        axes.plot([errors.get(name) for name in names], color=colour, marker="o", markersize=5, label=what)
    axes.axhline(STRUCTURE_LINE, color=plots.GREY, linestyle="--", linewidth=1.2)
    axes.annotate("allowed: 1e-10", (1, STRUCTURE_LINE), xycoords=("axes fraction", "data"), xytext=(0, 4),
                  textcoords="offset points", ha="right", color=plots.GREY)  # fmt: skip
    axes.set_yscale("log")
    axes.set_xticks(range(len(names)), names)
    axes.set(title="Difference between PyTorch and Keras in float64, as a share of the layer's scale")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.23))
    return made


HERE = "examples.port_your_model"
MEND = f"python -m parity.mend --torch {HERE}:Net --keras {HERE}:port --input-shape 3,16,16"


def mended() -> str:
    """What that command prints: the port as it came is mended in memory, edit by edit, and this file stays as it is."""
    done = subprocess.run([sys.executable, *MEND.split()[1:]], capture_output=True, text=True, check=False)
    return done.stdout or done.stderr


def main(argv: list[str] | None = None) -> None:
    """Print the report of every attempt, and what mends the first, and save the picture."""
    from parity.reports.terminal.check import text

    from . import plots

    parser = command.parser("port_your_model", __doc__, "runs/port_your_model.png")
    options = parser.parse_args(argv)
    command.check_folder(options.plot.parent)
    reports = attempts()
    for number, (what, report) in enumerate(reports, 1):
        print(f"== attempt {number}: {what}\n\n{text(report)}")
    print(f"== {MEND}\n\n{mended()}")
    print(f"The picture is {plots.save(picture(reports), options.plot)}")


if __name__ == "__main__":
    sys.exit(command.run(main, "port_your_model"))
