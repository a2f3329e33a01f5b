"""Transfer: a trained body, a new head, few labelled images; stages and their norms frozen. In both frameworks.

Without --weights, the body is trained first on the digits 0 to 4, and the task is 5 to 9. --weights takes a published
name (IMAGENET1K_V1, with --model resnet18) or any checkpoint that parity.convert reads; the task is then all ten
digits. Both frameworks read the same file and start from the same head, and three trainings are compared:

    from scratch   new weights everywhere
    head           the body frozen as it is
    last stage     all but the last stage and the head frozen

A frozen batch norm must neither learn nor update its statistics. In Keras `trainable = False` does both; in PyTorch
`requires_grad_(False)` does the first, and the second takes `eval()`, which every `model.train()` undoes.
"""

import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import resnet_torch

from . import command, data, mnist_keras, mnist_torch, plots, training
from .data import Data, Part
from .start import keras, resnet_keras
from .table import percent, table
from .training import Run, Settings

PLANS = ("from scratch", "head", "last stage")
FRAMEWORKS = ("PyTorch", "Keras")
BODY_EPOCHS = 8
Result = dict[tuple[str, str], tuple[list[training.Row], float]]  # by framework and plan: history, test accuracy


class Transferred(nn.Sequential):
    """A body and a head, whose frozen norms stay in inference mode while the rest trains, as in Keras."""

    head: nn.Linear

    def train(self, mode: bool = True) -> "Transferred":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()
        return self


def torch_model(options: Any, weights: str | None, images: Data, plan: str) -> "Transferred":
    """The body with a new head, in PyTorch. weights: None for fresh ones."""
    shape: dict[str, Any] = {"num_classes": 0, "in_channels": images.channels, "input_size": images.size}
    torch.manual_seed(options.seed)
    body = getattr(resnet_torch, options.model)(**shape, weights=weights)
    features = body.config.widths[-1] * body.config.expansion
    if plan != "from scratch":
        body.requires_grad_(False)
    if plan == "last stage":
        getattr(body, last_stage(body)).requires_grad_(True)
    return Transferred(OrderedDict(body=body, head=nn.Linear(features, classes(images))))


def keras_model(options: Any, weights: str | None, images: Data, plan: str, head: nn.Linear) -> keras.Model:
    """The same in Keras, with the same head."""
    shape: dict[str, Any] = {"num_classes": 0, "in_channels": images.channels, "input_size": images.size}
    keras.utils.set_random_seed(options.seed)
    body = getattr(resnet_keras, options.model)(**shape, weights=weights)
    if plan != "from scratch":
        body.trainable = False
    if plan == "last stage":
        body.trainable = True
        for layer in body.layers:
            layer.trainable = layer.name == last_stage(body)
    dense = keras.layers.Dense(classes(images))
    model = keras.Sequential([keras.Input((images.size, images.size, images.channels)), body, dense])
    dense.set_weights([head.weight.detach().numpy().T, head.bias.detach().numpy()])
    return model


def last_stage(body: Any) -> str:
    """The attribute of the last stage."""
    return f"layer{len(body.config.depths)}"


def classes(images: Data) -> int:
    return int(images.test.y.max()) + 1


def only(images: Data, first: int, last: int) -> Data:
    """The images of some digits, with labels from 0."""

    def chosen(part: Part) -> Part:
        kept = part.only(np.flatnonzero((part.y >= first) & (part.y <= last)))
        return Part(kept.x, kept.y - first)

    return images.map(chosen)


def few(images: Data, count: int) -> Data:
    """The same with `count` images to train on, each digit's share as equal as can be."""
    places = [np.flatnonzero(images.train.y == label) for label in range(classes(images))]
    longest = max(map(len, places))
    rows = [[*places_of.tolist(), *[-1] * (longest - len(places_of))] for places_of in places]
    turns = np.array(rows).T.ravel()
    return replace(images, train=images.train.only(turns[turns >= 0][:count]))


def train_body(options: Any, images: Data) -> str:
    """Train a body on the digits 0 to 4 and keep its weights in a file, which either framework reads."""
    settings = Settings(options.model, "digits 0 to 4", BODY_EPOCHS, 32, 0.05, 0.0, options.seed)
    model = mnist_torch.fit(Run(settings, images, options.output / "body", resume=False))
    path = options.output / "body.pth"
    with command.replacing(path) as part:
        torch.save(model.state_dict(), part)
    return str(path)


def compare(options: Any, weights: str, images: Data) -> Result:
    """Every plan in both frameworks."""
    found: Result = {}
    settings = Settings(
        options.model, images.name, options.epochs, options.batch_size, options.learning_rate, 0.0, options.seed
    )
    for plan in PLANS:
        start = None if plan == "from scratch" else weights
        ours = torch_model(options, start, images, plan)
        theirs = keras_model(options, start, images, plan, ours.head)
        runs = {name: Run(settings, images, options.output / f"{name} {plan}", False) for name in FRAMEWORKS}
        mnist_torch.fit(runs["PyTorch"], ours)
        mnist_keras.fit(runs["Keras"], theirs)
        found["PyTorch", plan] = (
            runs["PyTorch"].history,
            mnist_torch.evaluate(ours, mnist_torch.tensors(images.test))[1],
        )
        found["Keras", plan] = runs["Keras"].history, theirs.evaluate(images.test.x, images.test.y, verbose=0)[1]
    return found


def picture(found: Result, title: str) -> Any:
    """Held-out error over the epochs: PyTorch's lines, Keras's dashes."""
    made, axes = plots.figure(title, width=12)
    colours = dict(zip(PLANS, (plots.GREY, plots.BLUE, plots.ORANGE), strict=True))
    for (framework, plan), (rows, accuracy) in found.items():
        line = {"linewidth": 2.6, "alpha": 0.55} if framework == "PyTorch" else {"linewidth": 1.4, "linestyle": "--"}
        label = f"{plan}, {framework}\n(test {percent(1 - accuracy)})"
        error = [100 * (1 - row["val_accuracy"]) for row in rows]
        axes.plot([row["epoch"] for row in rows], error, color=colours[plan], label=label, **line)
    axes.set(title="Held-out error, % of images", xlabel="epoch")
    axes.set_ylim(0, 100)
    axes.xaxis.get_major_locator().set_params(integer=True)
    made.legend(loc="outside right center")
    return made


def main(argv: list[str] | None = None) -> None:
    """Train all, print the table and save the picture."""
    parser = command.parser("transfer", __doc__)
    parser.add_argument("--weights", metavar="NAME|FILE", help="of the body (default: train one on the digits 0 to 4)")
    parser.add_argument("--model", default="cifar_resnet20", metavar="NAME", help="any variant (cifar_resnet20)")
    parser.add_argument("--images", type=command.whole, default=20, metavar="N", help="to train on (20)")
    parser.add_argument("--epochs", type=command.whole, default=30, metavar="N", help="(30)")
    parser.add_argument("--batch-size", type=command.whole, default=10, metavar="N", help="(10)")
    parser.add_argument("--learning-rate", type=command.positive, default=0.02, metavar="X", help="the first (0.02)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(0)")
    parser.add_argument("--output", type=Path, default=Path("runs/transfer"), metavar="FOLDER")
    options = parser.parse_args(argv)
    training.named(options.model)
    digits = data.digits(training.DIGIT_SCALE)
    task = digits if options.weights else only(digits, 5, 9)
    images = few(task, options.images)
    training.check_batch_size(options.batch_size, images)
    took = training.Stopwatch()
    if options.weights:
        torch_model(options, options.weights, images, "head")  # what does not fit is found before the training
    weights = options.weights or train_body(options, only(digits, 0, 4))
    found = compare(options, weights, images)
    what = "ten digits" if options.weights else "from the digits 0-4 to 5-9"
    saved = plots.save(picture(found, f"Transfer: {what}, {len(images.train)} images"), options.output / "transfer.png")
    rows = [(plan, *(percent(found[name, plan][1]) for name in FRAMEWORKS)) for plan in PLANS]
    title = f"Test accuracy, {what}, {len(images.train)} images to train on"
    command.show(table(title, ("trained", *FRAMEWORKS), rows), f"{took}; the picture is {saved}")


if __name__ == "__main__":
    sys.exit(command.run(main, "transfer"))
