"""Degradation: a deeper plain network trains worse than a shallower one; with shortcuts it does not.

The figure that lessons on ResNet start with (He et al. 2015, figures 1 and 6), from our own run: cifar_plain20 and 56
against cifar_resnet20 and 56, trained alike on scikit-learn's digits or on CIFAR-10 from a file. It is the error on
the training images that shows it: this is not overfitting.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from . import command, data, plots, training
from .data import Data
from .table import percent, table
from .training import Row, Run, Settings

DEPTHS = (20, 32, 44, 56, 110)
KINDS = {"plain": "plain", "resnet": "residual"}
COLOURS = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE, plots.GREY)
Histories = dict[tuple[str, int], list[Row]]


def train(options: Any, images: Data) -> Histories:
    """The history of every network, by kind and depth."""
    fit = import_module(f".mnist_{options.framework}", __package__).fit
    numbers = options.batch_size, options.learning_rate, 0.0, options.seed
    base = Settings("", images.name, options.epochs, *numbers)
    histories: Histories = {}
    for kind in KINDS:
        for depth in options.depths:
            name = f"cifar_{kind}{depth}"
            folder = options.output / name
            resume = options.resume and any(folder.glob("checkpoint.*"))
            run = Run(replace(base, model=name), images, folder, resume)
            fit(run)
            histories[kind, depth] = run.history
    return histories


def picture(histories: Histories, images: str) -> Any:
    """Training error (thin) and held-out error (bold) over the epochs; plain on the left, residual on the right."""
    made, axes = plots.figure(f"Deeper is worse, unless there are shortcuts ({images})", 2, sharey=True)
    depths = sorted({depth for _, depth in histories})
    for axis, (kind, title) in zip(axes, KINDS.items(), strict=True):
        for depth, colour in zip(depths, COLOURS, strict=False):
            rows = histories[kind, depth]
            epochs = [row["epoch"] for row in rows]
            train, held = ([100 * (1 - row[name]) for row in rows] for name in ("accuracy", "val_accuracy"))
            axis.plot(epochs, train, color=colour, linewidth=1.2, linestyle="--")
            axis.plot(epochs, held, color=colour, linewidth=2.6, label=f"{title}, {depth} layers")
        axis.set(title=f"{title.capitalize()} networks", xlabel="epoch")
        axis.set_ylim(0, 100)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.plot([], [], color=plots.GREY, linewidth=1.2, linestyle="--", label="on the training images")
        axis.legend()
    axes[0].set_ylabel("error, % of images")
    return made


def report(histories: Histories) -> Any:
    """The last epoch of each."""
    rows = [
        (
            f"{KINDS[kind]}, {depth} layers",
            f"{row['loss']:.4f}",
            percent(1 - row["accuracy"]),
            percent(1 - row["val_accuracy"]),
        )
        for (kind, depth), (*_, row) in histories.items()
    ]
    return table("After the last epoch", ("", "training loss", "training error", "held-out error"), rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Train all, print the table and save the picture."""
    parser = command.parser("degradation", __doc__)
    parser.add_argument("--data", type=Path, metavar="FILE", help="CIFAR-10, binary version (default: digits)")
    parser.add_argument("--framework", choices=("torch", "keras"), default="torch", help="(torch)")
    parser.add_argument("--depths", type=int, nargs="+", choices=DEPTHS, default=[20, 56], metavar="N", help="(20 56)")
    parser.add_argument("--epochs", type=command.whole, default=10, metavar="N", help="(10)")
    parser.add_argument("--batch-size", type=command.whole, default=32, metavar="N", help="(32)")
    parser.add_argument("--learning-rate", type=command.positive, default=0.03, metavar="X", help="the first (0.03)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(0)")
    parser.add_argument("--output", type=Path, default=Path("runs/degradation"), metavar="FOLDER")
    parser.add_argument("--resume", action="store_true", help="continue each network from its last checkpoint")
    options = parser.parse_args(argv)
    images = data.digits(training.DIGIT_SCALE) if options.data is None else data.from_file(options.data)
    training.check_batch_size(options.batch_size, images)
    took = training.Stopwatch()
    histories = train(options, images)
    saved = plots.save(picture(histories, images.name), options.output / "degradation.png")
    command.show(report(histories), f"{took}; the picture is {saved}")


if __name__ == "__main__":
    sys.exit(command.run(main, "degradation"))
