"""What people get wrong in a kernel: its axes, its groups, its stride; of convolutions and dense layers."""

from collections.abc import Iterator

import numpy as np

from parity.models.arrays import Array

from . import reference as ref
from .evidence import Changes, Config, Evidence, Static


def conv_changes(evidence: Evidence, config: Config) -> Changes:
    kernel, static = config.weights["weight"], config.static
    groups = evidence.inputs[0].shape[1] // kernel.shape[1]
    yield "missing or extra bias", {"bias": None}, "leaves the bias out"
    if kernel.ndim == 4 and kernel.shape[-1] == kernel.shape[-2] > 1:
        yield (
            "kernel spatially transposed",
            {"weight": kernel.swapaxes(-1, -2)},
            "transposes the kernel's rows and columns",
        )
        yield "kernel spatially flipped", {"weight": kernel[..., ::-1, ::-1]}, "turns the kernel by 180 degrees"
    if kernel.shape[0] == kernel.shape[1]:
        yield "kernel in/out transposed", {"weight": kernel.swapaxes(0, 1)}, "exchanges the kernel's inputs and outputs"
    if groups > 1:
        for changed in _group_orders(kernel, groups):
            yield "group order", {"weight": changed}, f"takes the {groups} groups in another order"
    if kernel.shape[-1] > 1 and isinstance(static["padding"], list):
        yield "asymmetric padding", {"padding": "same"}, 'pads as TensorFlow\'s "same" does, the odd pixel at the end'
        for pads in ref.all_pads([2 * p for p in static["padding"]]):
            yield "asymmetric padding", {"padding": pads}, f"pads {list(map(list, pads))} (before, after)"
    elif static["padding"] == "same":
        around = [k // 2 for k in static["kernel_size"]]
        yield "asymmetric padding", {"padding": around}, f"pads {around} on both sides"
    yield from _other_steps(static)


def _other_steps(static: Static) -> Changes:
    for dilation in (1, 2, 3, 4):
        pads = [dilation * (k - 1) // 2 for k in static["kernel_size"]]
        yield "wrong dilation", {"dilation": [dilation] * len(pads)}, f"dilates by {dilation}"
        yield "wrong dilation", {"dilation": [dilation] * len(pads), "padding": pads}, f"dilates by {dilation}"
    for stride in (1, 2):
        yield "stride on the wrong convolution", {"stride": [stride] * len(static["stride"])}, f"strides by {stride}"


def _group_orders(kernel: Array, groups: int) -> Iterator[Array]:
    out = kernel.reshape(groups, -1, *kernel.shape[1:])
    yield out[::-1].reshape(kernel.shape)
    yield out.swapaxes(0, 1).reshape(kernel.shape)
    yield kernel.reshape(-1, groups, *kernel.shape[1:]).swapaxes(0, 1).reshape(kernel.shape)
    for shift in range(1, min(groups, 8)):
        yield np.roll(out, shift, 0).reshape(kernel.shape)


def dense_changes(evidence: Evidence, config: Config) -> Changes:
    kernel = config.weights["weight"]
    yield "missing or extra bias", {"bias": None}, "leaves the bias out"
    if kernel.shape[0] == kernel.shape[1]:
        yield "kernel in/out transposed", {"weight": kernel.T}, "exchanges the kernel's inputs and outputs"
