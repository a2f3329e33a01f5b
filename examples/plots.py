"""The examples' pictures, in one style; each is written to another name first and renamed."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from .command import replacing

# Okabe and Ito's colours, which colour-blind readers tell apart.
ORANGE, BLUE, GREEN, PURPLE, GREY = "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#6b6b6b"
TORCH, KERAS = ORANGE, BLUE
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "axes.edgecolor": "#8c8c8c",
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titlepad": 10.0,
    "figure.titlesize": 14,
    "figure.titleweight": "bold",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "xtick.color": "#404040",
    "ytick.color": "#404040",
}
mpl.rcParams.update(STYLE)


def figure(
    title: str, columns: int = 1, width: float = 10.0, height: float = 4.4, **options: Any
) -> tuple[Figure, Any]:
    """A figure with `columns` axes beside each other; options are those of `Figure.subplots`."""
    made = Figure(figsize=(width, height), layout="constrained", dpi=150)
    axes = made.subplots(1, columns, **options)
    made.suptitle(title, x=0.01, ha="left")
    return made, axes


def save(made: Figure, path: Path) -> Path:
    """Write the figure; the suffix says the format. The date is left out: the same figure is the same file."""
    kind = path.suffix.removeprefix(".") or "png"
    with replacing(path) as part:
        made.savefig(part, format=kind, metadata={"Date": None} if kind in ("svg", "pdf") else None)
    return path


def png(made: Figure) -> bytes:
    """The figure as a PNG, for a notebook."""
    file = io.BytesIO()
    made.savefig(file, format="png", dpi=100)
    return file.getvalue()


def training(title: str, history: Sequence[dict[str, float]], test_accuracy: float) -> Figure:
    """Loss and accuracy over the epochs."""
    made, (left, right) = figure(title, 2)
    epochs = [int(row["epoch"]) for row in history]
    error = [100 * (1 - row["accuracy"]) for row in history], [100 * (1 - row["val_accuracy"]) for row in history]
    left.plot(epochs, [row["loss"] for row in history], color=ORANGE, label="training", marker="o", markersize=4)
    left.plot(epochs, [row["val_loss"] for row in history], color=BLUE, label="validation", marker="o", markersize=4)
    right.plot(epochs, error[0], color=ORANGE, marker="o", markersize=4)
    right.plot(epochs, error[1], color=BLUE, marker="o", markersize=4)
    test = 100 * (1 - test_accuracy)
    right.axhline(test, color=GREY, linestyle="--", linewidth=1.2)
    right.annotate(f"test {test:.2f} %", (1, test), xycoords=("axes fraction", "data"), xytext=(0, 4),
                   textcoords="offset points", ha="right", color=GREY)  # fmt: skip
    for axes, name in ((left, "Loss (cross-entropy)"), (right, "Error, % of images")):
        axes.set(title=name, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    left.set_yscale("log")
    right.set_yscale("symlog", linthresh=1)
    right.set_ylim(bottom=0)
    right.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
    left.legend()
    return made
