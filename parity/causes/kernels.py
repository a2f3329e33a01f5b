"""What people get wrong in a kernel, a row a cause: its axes, groups and bias -> the changes to try."""

import numpy as np

from .evidence import Changes, Config, Evidence, Row


def _no_bias(evidence: Evidence, config: Config) -> Changes:
    yield {"bias": None}, "leaves the bias out"


def _bias_elsewhere(evidence: Evidence, config: Config) -> Changes:
    for axis in range(2, evidence.torch.ndim):
        if "bias" in config.weights and evidence.torch.shape[axis] == config.weights["bias"].size:
            yield {"bias_axis": axis}, f"adds the bias along axis {axis} of (N, C, ...) and not along the channels"


def _transposed(evidence: Evidence, config: Config) -> Changes:
    kernel = config.weights["weight"]
    if kernel.ndim == 4 and kernel.shape[-1] == kernel.shape[-2] > 1:
        yield {"weight": kernel.swapaxes(-1, -2)}, "transposes the kernel's rows and columns"


def _flipped(evidence: Evidence, config: Config) -> Changes:
    kernel = config.weights["weight"]
    if kernel.ndim == 4 and kernel.shape[-1] == kernel.shape[-2] > 1:
        yield {"weight": kernel[..., ::-1, ::-1]}, "turns the kernel by 180 degrees"


def _exchanged(evidence: Evidence, config: Config) -> Changes:
    kernel = config.weights["weight"]
    if kernel.shape[0] == kernel.shape[1]:
        yield {"weight": kernel.swapaxes(0, 1)}, "exchanges the kernel's inputs and outputs"


def _regrouped(evidence: Evidence, config: Config) -> Changes:
    kernel = config.weights["weight"]
    groups = evidence.inputs[0].shape[1] // kernel.shape[1]
    if groups <= 1:
        return
    out = kernel.reshape(groups, -1, *kernel.shape[1:])
    orders = [out[::-1], out.swapaxes(0, 1), kernel.reshape(-1, groups, *kernel.shape[1:]).swapaxes(0, 1)]
    for changed in orders + [np.roll(out, shift, 0) for shift in range(1, min(groups, 8))]:
        yield {"weight": changed.reshape(kernel.shape)}, f"takes the {groups} groups in another order"


def _has_kernel(config: Config) -> bool:
    return config.kind.sums and "weight" in config.weights


KERNELS = (
    Row("missing or extra bias", _has_kernel, _no_bias),
    Row("bias along another axis", lambda config: config.kind.sums and not config.kind.flat, _bias_elsewhere),
    Row("kernel spatially transposed", _has_kernel, _transposed),
    Row("kernel spatially flipped", _has_kernel, _flipped),
    Row("kernel in/out transposed", _has_kernel, _exchanged),
    Row("group order", lambda config: _has_kernel(config) and "groups" in config.static, _regrouped),
)
