"""The three forms of a ResNeXt block (Xie et al. 2017, figure 3): one function, three speeds, in both frameworks.

Form a sums 32 branches, form b concatenates them before one 1x1 convolution, form c is one grouped convolution. With
the same weights they agree to rounding in float64; the paper uses c, and the times say why.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

import resnet_torch

from . import command, plots
from .port_your_model import trained_looking
from .start import keras, keras_policy, resnet_keras
from .table import table

FORMS = {"a": "ResNeXtA", "b": "ResNeXtB", "c": "ResNeXtC"}
TITLES = {"a": "a: 32 branches, summed", "b": "b: 32 branches, concatenated", "c": "c: one grouped convolution"}
CHANNELS = (256, 64)  # of the input, of the block: as in ResNeXt-50's first stage
BOUND = 1e-14
Forms = dict[str, Any]
Array = np.ndarray[Any, Any]


def torch_forms() -> Forms:
    """The three forms with the weights of form c, ready for inference."""
    torch.manual_seed(0)
    blocks = {form: getattr(resnet_torch, name)(*CHANNELS) for form, name in FORMS.items()}
    trained_looking(blocks["c"])
    with torch.no_grad():
        for form in ("a", "b"):
            resnet_torch.carry_resnext_weights(blocks["c"], blocks[form])
    return {form: block.eval() for form, block in blocks.items()}


def keras_forms(size: int, dtype: str = "float32") -> Forms:
    """The same in Keras."""
    with keras_policy(dtype):
        blocks = {form: getattr(resnet_keras, name)(*CHANNELS) for form, name in FORMS.items()}
        for block in blocks.values():
            block.build((None, size, size, CHANNELS[0]))
    random = np.random.default_rng(0)
    for weight in blocks["c"].weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "moving_mean"):
            weight.assign(random.normal(0, 0.3, weight.shape))
    for form in ("a", "b"):
        resnet_keras.carry_resnext_weights(blocks["c"], blocks[form])
    return blocks


def gaps(size: int) -> dict[tuple[str, str], float]:
    """By framework and form, the greatest difference from form c in float64, as a share of the output's scale."""
    x = np.random.default_rng(1).standard_normal((2, CHANNELS[0], size, size))
    ours = {form: block.double() for form, block in torch_forms().items()}
    with torch.no_grad():
        outputs = {"PyTorch": {form: block(torch.from_numpy(x)).numpy() for form, block in ours.items()}}
    theirs = keras_forms(size, "float64")
    nhwc = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    outputs["Keras"] = {form: np.asarray(block(nhwc)) for form, block in theirs.items()}
    found = {}
    for framework, forms in outputs.items():
        for form in ("a", "b"):
            found[framework, form] = float(np.abs(forms[form] - forms["c"]).max() / np.abs(forms["c"]).max())
    return found


def tasks(size: int, batch: int) -> dict[tuple[str, str, str], Callable[[], Any]]:
    """By framework, form and "inference" or "training" (forward and backward), something to time."""
    import tensorflow as tf

    x = np.random.default_rng(2).standard_normal((batch, CHANNELS[0], size, size), np.float32)
    ours, theirs = torch_forms(), keras_forms(size)
    a, b = torch.from_numpy(x), tf.constant(np.moveaxis(x, 1, -1))
    made: dict[tuple[str, str, str], Callable[[], Any]] = {}
    for form in FORMS:
        made["PyTorch", form, "inference"] = partial(_torch_inference, ours[form], a)
        made["PyTorch", form, "training"] = partial(_torch_training, ours[form], a)
        for what, function in (("inference", _keras_inference), ("training", _keras_training)):
            compiled = tf.function(partial(function, theirs[form])).get_concrete_function(b)
            made["Keras", form, what] = partial(compiled, b)
    return made


@torch.no_grad()
def _torch_inference(block: Any, x: Tensor) -> Tensor:
    return block.eval()(x)  # type: ignore[no-any-return]


def _torch_training(block: Any, x: Tensor) -> None:
    block.zero_grad()
    block.train()(x).square().mean().backward()


def _keras_inference(block: Any, x: Any) -> Any:
    return block(x, training=False)


def _keras_training(block: Any, x: Any) -> Any:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = keras.ops.mean(keras.ops.square(block(x, training=True)))
    return tape.gradient(loss, [weight.value for weight in block.trainable_weights])


def times(size: int, batch: int, repeats: int) -> dict[tuple[str, str, str], float]:
    """Median milliseconds of each task. The tasks take turns, so that a busy moment of the machine meets all."""
    made = tasks(size, batch)
    found: dict[tuple[str, str, str], list[float]] = {key: [] for key in made}
    with command.progress((repeats + 1) * len(made)) as step:
        for number in range(repeats + 1):  # the first run compiles, and does not count
            for key, task in made.items():
                start = time.perf_counter()
                task()
                if number:
                    found[key].append(1000 * (time.perf_counter() - start))
                step(" ".join(key))
    return {key: median(values) for key, values in found.items()}


def picture(measured: dict[tuple[str, str, str], float], batch: int, size: int) -> Any:
    """Bars of the median times."""
    made, axes = plots.figure(f"Three forms, one function ({batch} images of {CHANNELS[0]} x {size} x {size})", 2)
    for axis, what in zip(axes, ("inference", "training"), strict=True):
        for shift, framework, colour in ((-0.2, "PyTorch", plots.TORCH), (0.2, "Keras", plots.KERAS)):
            values = [measured[framework, form, what] for form in FORMS]
            bars = axis.barh([place + shift for place in range(3)], values, 0.36, color=colour, label=framework)
            axis.bar_label(
                bars, [f"{value:.1f}" if value < 100 else f"{value:.0f}" for value in values], padding=3, color=colour
            )
        axis.set_yticks(range(3), TITLES.values() if what == "inference" else [""] * 3)
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.margins(x=0.12)
        titles = {"inference": "Inference, ms", "training": "Forward and backward, ms"}
        axis.set(title=titles[what])
    axes[1].legend(loc="lower right")
    return made


def main(argv: list[str] | None = None) -> None:
    """Compare, measure, print the table and save the picture."""
    parser = command.parser("resnext_forms", __doc__, "runs/resnext_forms.png")
    parser.add_argument("--size", type=command.whole, default=14, metavar="N", help="height and width (14)")
    parser.add_argument("--batch-size", type=command.whole, default=8, metavar="N", help="(8)")
    parser.add_argument("--repeats", type=command.whole, default=9, metavar="N", help="(9)")
    options = parser.parse_args(argv)
    command.check_folder(options.plot.parent)
    found = gaps(options.size)
    measured = times(options.size, options.batch_size, options.repeats)
    rows = []
    for framework in ("PyTorch", "Keras"):
        for form, title in TITLES.items():
            numbers = (f"{measured[framework, form, what]:.1f}" for what in ("inference", "training"))
            difference = "" if form == "c" else f"{found[framework, form]:.1e}"
            rows.append((framework, title, difference, *numbers))
    columns = ("", "form", "float64, from c", "inference, ms", "forward and backward, ms")
    saved = plots.save(picture(measured, options.batch_size, options.size), options.plot)
    command.show(table("The three forms of a ResNeXt block", columns, rows, left=2), f"The picture is {saved}")
    if max(found.values()) > BOUND:
        raise command.ExampleError(
            f"the three forms must agree to {BOUND:.0e} of their scale in float64, and differ by "
            f"{max(found.values()):.1e}; compare their definitions"
        )


if __name__ == "__main__":
    sys.exit(command.run(main, "resnext_forms"))
