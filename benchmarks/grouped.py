"""How wide the block-diagonal convolutions of `resnet_keras/grouped.py` are best: a training step of each width.

`python -m benchmarks.grouped [--rounds N]`. Every layer is a grouped 3x3 convolution and a ReLU, run and differentiated
in a graph, the widths in turns; the figures are medians in milliseconds. Without oneDNN, where TensorFlow has no
gradient of a grouped convolution in any dtype; "native" is its grouped kernel, forward alone, "depthwise" its depthwise
one.
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from .measure import save

WIDTHS = (8, 16, 32, 64, 128)
DTYPES = ("float32", "float64", "bfloat16", "float16")
BATCH = 8
# (channels, groups, pixels a side, stride, dilation): 4 to 64 channels a group, and one, in ResNeXt's sizes
LAYERS = (
    (128, 32, 16, 1, 1),
    (256, 32, 16, 1, 1),
    (256, 32, 16, 2, 1),
    (256, 32, 16, 1, 2),
    (512, 32, 8, 1, 1),
    (1024, 32, 4, 1, 1),
    (1024, 32, 2, 1, 1),
    (512, 8, 16, 1, 1),
    (256, 256, 16, 1, 1),
)


def runs(dtype: str, layer: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    """What is timed of a layer, by name."""
    import tensorflow as tf

    from resnet_keras.grouped import block_diagonal_convolution, depthwise_convolution

    channels, groups, pixels, stride, dilation = layer
    size = pixels + 2 * dilation
    x = tf.Variable(tf.cast(tf.random.normal((BATCH, size, size, channels)), dtype))
    kernel = tf.Variable(tf.cast(0.1 * tf.random.normal((3, 3, channels // groups, channels)), dtype))
    plain = (stride, stride), "VALID", (dilation, dilation)

    def step(convolve: Callable[..., Any], *more: Any) -> Callable[[], Any]:
        def run() -> Any:
            with tf.GradientTape() as tape:
                y = tf.reduce_sum(tf.nn.relu(convolve(x, kernel, *plain, *more)))
            return tape.gradient(y, [x, kernel])

        compiled = tf.function(run)
        return lambda: [gradient.numpy() for gradient in compiled()]

    native = tf.function(lambda: tf.nn.conv2d(x, kernel, *plain[:2], dilations=plain[2]))
    found = {str(width): step(block_diagonal_convolution, width) for width in WIDTHS if width >= channels // groups}
    if channels == groups:
        found["depthwise"] = step(depthwise_convolution)
    return found | {"native, forward alone": lambda: native().numpy()}


def milliseconds(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The median of each, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if number:  # the first traces
                seconds[name].append(time.perf_counter() - start)
    return {name: round(1e3 * median(taken), 2) for name, taken in seconds.items()}


def main(arguments: list[str] | None = None) -> None:
    """Measure all layers in all dtypes and save the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grouped", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    names = ("channels", "groups", "pixels", "stride", "dilation")
    rows = [
        {"dtype": dtype} | dict(zip(names, layer, strict=True)) | {"ms": milliseconds(runs(dtype, layer), rounds)}
        for dtype in DTYPES
        for layer in LAYERS
    ]
    save("grouped", {"layers": rows})


if __name__ == "__main__":
    main()
