"""How large the gradient is in every layer, with shortcuts and without; PyTorch's and Keras's on top of each other.

One batch of digits and fresh weights, the same in both frameworks; in float64, since rounding grows with the gradient.
He et al. 2015 built residual networks because plain ones of this depth train badly; this shows what reaches the early
layers' kernels before the first step.
"""

import sys
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import nn

import resnet_torch

from . import command, data, plots
from .data import Part
from .mnist_torch import tensors
from .start import keras, keras_policy, resnet_keras
from .table import table

DEPTHS = (20, 32, 44, 56, 110)
KINDS = {"plain": plots.ORANGE, "resnet": plots.BLUE}
NAMES = {"plain": "without shortcuts", "resnet": "with shortcuts"}
Norms = dict[str, float]  # of the loss's gradient, by the convolution's path


def torch_norms(model: nn.Module, part: Part) -> Norms:
    """The Euclidean norm of the gradient of every convolution's kernel, in the order of the layers."""
    x, y = tensors(part).tensors
    model.train()
    nn.functional.cross_entropy(model(x.double()), y).backward()  # type: ignore[no-untyped-call]
    convolutions = {path: module for path, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    return {
        path: float(module.weight.grad.norm())
        for path, module in convolutions.items()
        if module.weight.grad is not None
    }


def keras_norms(model: keras.Model, part: Part, paths: Sequence[str]) -> Norms:
    """The same of the Keras model, whose layers have the same paths."""
    import tensorflow as tf

    kernels = [reduce(getattr, path.split("."), model).kernel for path in paths]
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    with tf.GradientTape() as tape:
        loss = loss_of(part.y, model(part.x, training=True))
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
    return {path: float(tf.norm(gradient)) for path, gradient in zip(paths, gradients, strict=True)}


def measure(kind: str, depth: int, part: Part, seed: int) -> tuple[Norms, Norms]:
    """The norms in both frameworks, from the same weights."""
    import parity

    torch.manual_seed(seed)
    options: dict[str, Any] = {"in_channels": part.x.shape[3], "input_size": part.x.shape[1]}
    ours = getattr(resnet_torch, f"cifar_{kind}{depth}")(**options).double()
    with keras_policy("float64"):
        theirs = getattr(resnet_keras, f"cifar_{kind}{depth}")(**options)
    parity.copy_weights(ours, theirs)
    norms = torch_norms(ours, part)
    return norms, keras_norms(theirs, part, list(norms))


def gap(ours: Norms, theirs: Norms) -> float:
    """The greatest relative difference between the frameworks."""
    return max(abs(ours[path] - theirs[path]) / ours[path] for path in ours)


def picture(found: dict[str, tuple[Norms, Norms]], depth: int) -> Any:
    """One curve for each kind and framework: PyTorch's lines, Keras's rings."""
    made, axes = plots.figure(f"What reaches the layers: gradients in {depth}-layer networks before the first step")
    for kind, (ours, theirs) in found.items():
        places = range(1, len(ours) + 1)
        axes.plot(places, list(ours.values()), color=KINDS[kind], label=f"{NAMES[kind]}, PyTorch")
        ring = {"marker": "o", "markersize": 7, "markerfacecolor": "none", "linestyle": "none"}
        axes.plot(places, list(theirs.values()), color=KINDS[kind], label=f"{NAMES[kind]}, Keras", **ring)
    axes.set_yscale("log")
    axes.set(title="Norm of the kernel's gradient", xlabel="convolution, from the image to the classifier")
    axes.legend(ncols=2)
    return made


def main(argv: list[str] | None = None) -> None:
    """Measure, print the table and save the picture."""
    parser = command.parser("gradient_flow", __doc__, "runs/gradient_flow.png")
    parser.add_argument("--depth", type=int, choices=DEPTHS, default=56, help="layers (56)")
    parser.add_argument("--images", type=command.whole, default=32, metavar="N", help="in the batch (32)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the weights (0)")
    options = parser.parse_args(argv)
    command.check_folder(options.plot.parent)
    part = data.digits(4).train.only(np.arange(options.images))
    found = {}
    with command.progress(len(KINDS)) as step:
        for kind in KINDS:
            found[kind] = measure(kind, options.depth, part, options.seed)
            step(f"cifar_{kind}{options.depth}")
    rows = []
    for kind, (ours, theirs) in found.items():
        norms = list(ours.values())
        numbers = norms[0], norms[len(norms) // 2], norms[-1]
        ratio = f"{norms[0] / norms[-1]:.1f}"
        rows.append((f"cifar_{kind}{options.depth}", *(f"{n:.3g}" for n in numbers), ratio, f"{gap(ours, theirs):.0e}"))
    columns = ("gradient norm", "first layer", "middle", "last", "first / last", "PyTorch to Keras")
    saved = plots.save(picture(found, options.depth), options.plot)
    command.show(table("Gradients before the first step", columns, rows), f"The picture is {saved}")


if __name__ == "__main__":
    sys.exit(command.run(main, "gradient_flow"))
