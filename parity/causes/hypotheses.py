"""What people get wrong, as a table: for each kind of layer the changes to settings, weights and inputs to try.

A guess is (name of the cause, predicted output, what was done). The likeliest come first; the first that reproduces an
output names the cause. Adding a cause is adding a row or a line to the kind's list.
"""

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import numpy as np

from parity.compare import Array, difference, structure_ok

from . import reference as ref
from .evidence import Config, Evidence, Static, Weights

Guess = tuple[str, Array, str]
Changes = Iterator[tuple[str, dict[str, Any], str]]


def predictions(evidence: Evidence) -> Iterator[tuple[str, Array, Array, str]]:
    """(name, prediction, what it should equal, what was done), the likeliest first, from both sides' point of view."""
    ours, theirs = evidence.configs
    yield from ((n, p, evidence.keras, w) for n, p, w in _settings(evidence, ours, theirs))
    for config, target, side in ((ours, evidence.keras, "Keras"), (theirs, evidence.torch, "torch")):
        declared = run(config, evidence.inputs)
        if declared is not None and same(declared, target):
            continue  # this output is as declared: it is the other side's that is not
        yield from ((n, p, target, f"{side} {w}") for n, p, w in _transforms(evidence, config))
    yield from ((n, p, evidence.keras, w) for n, p, w in _uncopied(evidence, ours, theirs))
    for target, side in ((evidence.keras, "Keras"), (evidence.torch, "torch")):
        yield from ((n, p, target, f"{side} {w}") for n, p, w in _activation(evidence, target))
    for base, target, side in ((evidence.torch, evidence.keras, "Keras"), (evidence.keras, evidence.torch, "torch")):
        yield from ((n, p, target, f"{side} {w}") for n, p, w in _outputs(evidence, base, target))
    factor = ref.factor(evidence.torch, evidence.keras)
    if factor is not None:
        what = f"Keras's output is {factor:.6g} times torch's"
        yield "constant factor", factor * evidence.torch, evidence.keras, what


def same(a: Array, b: Array) -> bool:
    """Whether two float64 arrays agree as the results of equal programs do."""
    return structure_ok(difference(a, b))


def run(config: Config, inputs: tuple[Array, ...], **changes: Any) -> Array | None:
    """The layer's output from its data alone, with `changes` to its weights or settings; None for other kinds."""
    runner = RUNNERS.get(config.kind)
    if runner is None or not inputs:
        return None
    weights = config.weights | {k: v for k, v in changes.items() if k in WEIGHT_NAMES}
    static = config.static | {k: v for k, v in changes.items() if k not in WEIGHT_NAMES}
    try:
        return runner(inputs[0], {k: v for k, v in weights.items() if v is not None}, static)
    except (ValueError, KeyError):  # the change does not fit this layer: no prediction
        return None


WEIGHT_NAMES = {"weight", "bias", "running_mean", "running_var"}


def _pads(x: Array, static: Static) -> ref.Pads:
    if static["padding"] == "same":
        dilation = static.get("dilation", [1] * (x.ndim - 2))
        return ref.same_pads(x.shape[2:], static["kernel_size"], static["stride"], dilation)
    return [tuple(p) if isinstance(p, tuple | list) else (p, p) for p in static["padding"]]


def _run_conv(x: Array, weights: Weights, static: Static) -> Array:
    groups = x.shape[1] // weights["weight"].shape[1]
    pads = _pads(x, static)
    return ref.conv(x, weights["weight"], weights.get("bias"), static["stride"], pads, static["dilation"], groups)


def _run_norm(x: Array, weights: Weights, static: Static) -> Array:
    names = ("weight", "bias", "running_mean", "running_var")
    neutral = {"weight": np.ones(x.shape[1]), "bias": np.zeros(x.shape[1])}
    gamma, beta, mean, variance = ((neutral | weights)[name] for name in names)
    return ref.batch_norm(x, gamma, beta, mean, variance, static["eps"])


def _run_dense(x: Array, weights: Weights, static: Static) -> Array:
    out = x @ weights["weight"].T
    return out + weights["bias"] if "bias" in weights else out


def _run_leaky_relu(x: Array, weights: Weights, static: Static) -> Array:
    return np.where(x > 0, x, static["slope"] * x)


def _run_max_pool(x: Array, weights: Weights, static: Static) -> Array:
    value = static.get("pad_value", -np.inf)
    return ref.pool(x, np.max, static["kernel_size"], static["stride"], _pads(x, static), value)


def _run_avg_pool(x: Array, weights: Weights, static: Static) -> Array:
    return ref.pool(x, np.mean, static["kernel_size"], static["stride"], _pads(x, static), 0.0)


RUNNERS: dict[str, Callable[[Array, Weights, Static], Array]] = {
    "conv": _run_conv,
    "batch_norm": _run_norm,
    "dense": _run_dense,
    "max_pool": _run_max_pool,
    "avg_pool": _run_avg_pool,
    "leaky_relu": _run_leaky_relu,
}

SETTING_CAUSES = {
    "eps": "BN eps",
    "stride": "stride on the wrong convolution",
    "padding": "asymmetric padding",
    "dilation": "wrong dilation",
    "slope": "activation slope",
}


NO_SETTINGS = {"momentum", "bias"}  # it shows in training alone; a bias more or less is a weight more or less


def _settings(evidence: Evidence, ours: Config, theirs: Config) -> Iterator[Guess]:
    """torch's layer with Keras's settings: each that differs, then all of them."""
    shared = (ours.static.keys() & theirs.static.keys()) - NO_SETTINGS
    wrong = {k: v for k, v in theirs.static.items() if k in shared and ours.static[k] != v}
    for chosen in [{k: v} for k, v in wrong.items()] + ([wrong] if len(wrong) > 1 else []):
        predicted = run(ours, evidence.inputs, **chosen)
        if predicted is not None:
            first = next(k for k in ("dilation", "stride", *chosen) if k in chosen)
            text = ", ".join(f"{k} {v} instead of {ours.static[k]}" for k, v in chosen.items())
            yield SETTING_CAUSES.get(first, first), predicted, f"torch's layer run with Keras's {text}"


def _transforms(evidence: Evidence, config: Config) -> Iterator[Guess]:
    """The layer as one side declares it, changed as people get it wrong."""
    table = TRANSFORMS.get(config.kind)
    if table is None or not evidence.inputs:
        return
    for name, changes, what in table(evidence, config):
        predicted = run(config, evidence.inputs, **changes)
        if predicted is not None:
            yield name, predicted, what
    for name, x, what in _inputs(evidence):
        predicted = run(config, (x,))
        if predicted is not None:
            yield name, predicted, what


def _conv_changes(evidence: Evidence, config: Config) -> Changes:
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


def _norm_changes(evidence: Evidence, config: Config) -> Changes:
    weights, x = config.weights, evidence.inputs[0]
    mean, variance = ref.batch_statistics(x)
    yield (
        "BN train/eval mode",
        {"running_mean": mean, "running_var": variance},
        "normalises with the batch's own statistics",
    )
    swapped = {"running_mean": weights["running_var"], "running_var": np.abs(weights["running_mean"])}
    yield "mean and variance swapped", swapped, "takes the running mean for the variance (its magnitude) and back"
    swapped = {"running_mean": weights["running_var"], "running_var": weights["running_mean"]}
    yield "mean and variance swapped", swapped, "takes the running mean for the variance and back"
    if "weight" in weights and "bias" in weights:
        yield (
            "gamma and beta swapped",
            {"weight": weights["bias"], "bias": weights["weight"]},
            "takes gamma for beta and back",
        )
    for eps in (1e-3, 1e-5, 1.001e-5, 1e-6, 1e-8, 0.0):
        yield "BN eps", {"eps": eps}, f"uses an epsilon of {eps}"
    n = x.size // x.shape[1]
    yield "biased variance", {"running_var": weights["running_var"] * (n - 1) / n}, "uses the biased variance"


def _dense_changes(evidence: Evidence, config: Config) -> Changes:
    kernel = config.weights["weight"]
    yield "missing or extra bias", {"bias": None}, "leaves the bias out"
    if kernel.shape[0] == kernel.shape[1]:
        yield "kernel in/out transposed", {"weight": kernel.T}, "exchanges the kernel's inputs and outputs"


def _pool_changes(evidence: Evidence, config: Config) -> Changes:
    static = config.static
    if config.kind == "max_pool":
        yield "max-pool pad value", {"pad_value": 0.0}, "pads the max pool with 0 instead of minus infinity"
    if isinstance(static["padding"], list):
        yield "asymmetric padding", {"padding": "same"}, 'pads as TensorFlow\'s "same" does, the odd pixel at the end'
        for pads in ref.all_pads([2 * p for p in static["padding"]]):
            yield "asymmetric padding", {"padding": pads}, f"pads {list(map(list, pads))} (before, after)"
            if config.kind == "max_pool":
                changes = {"padding": pads, "pad_value": 0.0}
                yield "max-pool pad value", changes, f"pads {list(map(list, pads))} with 0 instead of minus infinity"


TRANSFORMS: dict[str, Callable[[Evidence, Config], Changes]] = {
    "conv": _conv_changes,
    "batch_norm": _norm_changes,
    "dense": _dense_changes,
    "max_pool": _pool_changes,
    "avg_pool": _pool_changes,
}


def _inputs(evidence: Evidence) -> Iterator[Guess]:
    """The layer's input, read wrongly."""
    for x in evidence.inputs[:1]:
        yield from _misread(x)


def _misread(x: Array) -> Iterator[Guess]:
    if x.ndim < 3:
        return
    if x.shape[1] == 3:
        yield "channel order of the input", x[:, ::-1], "takes the channels in reverse (RGB as BGR)"
    last = np.moveaxis(x, 1, -1)
    yield "layout read as the other", np.moveaxis(x.reshape(last.shape), -1, 1), "reads NCHW memory as NHWC"
    yield "layout read as the other", np.ascontiguousarray(last).reshape(x.shape), "reads NHWC memory as NCHW"


def _uncopied(evidence: Evidence, ours: Config, theirs: Config) -> Iterator[Guess]:
    """torch's layer with Keras's weights: no named transform made them, they are other weights."""
    names = [k for k in ours.weights if k in theirs.weights and not np.array_equal(ours.weights[k], theirs.weights[k])]
    extra = [k for k in theirs.weights if k not in ours.weights]
    for name in extra:
        predicted = run(ours, evidence.inputs, **{name: theirs.weights[name]})
        if predicted is not None:
            yield f"missing or extra {name}", predicted, f"torch's layer run with Keras's {name}, which torch has not"
    for chosen in [[name] for name in names] + ([names] if len(names) > 1 else []):
        predicted = run(ours, evidence.inputs, **{name: theirs.weights[name] for name in chosen})
        if predicted is not None:
            share = ", ".join(f"{k} ({_changed(ours.weights[k], theirs.weights[k])})" for k in chosen)
            yield "weight not copied", predicted, f"torch's layer run with Keras's own {share}"


def _changed(a: Array, b: Array) -> str:
    if a.shape != b.shape:
        return f"shapes {list(a.shape)} and {list(b.shape)}"
    return f"{np.count_nonzero(a != b)} of {a.size} numbers differ"


def _outputs(evidence: Evidence, base: Array, target: Array) -> Iterator[Guess]:
    """One side's output made from the other's: an activation, a slope, a shortcut more."""
    for name, function in ref.ACTIVATIONS.items():
        cause = "softmax on one side" if name == "softmax" else "missing or extra activation"
        yield cause, function(base), f"applies {name}, the other side does not"
    yield from _misread(base)
    for name, shortcut in evidence.nearby.items():
        if shortcut.shape == base.shape and not np.array_equal(shortcut, base):  # a sum with itself is a factor of 2
            yield "shortcut missing", base + shortcut, f"adds the shortcut {name}, the other side does not"
    if target.shape == base.shape:
        yield from _other_shortcuts(evidence.nearby, base, target)


def _other_shortcuts(nearby: dict[str, Array], base: Array, target: Array) -> Iterator[Guess]:
    """Another tensor added; of many pairs only those that agree at a few places are worth the whole arrays."""
    spots = np.unravel_index(np.linspace(0, base.size - 1, 32).astype(int), base.shape)
    few = {name: array[spots] for name, array in nearby.items() if array.shape == base.shape}
    whole = {name for name in few if np.array_equal(nearby[name], base)}  # instead of all there is, anything can stand
    for (one, a), (other, b) in permutations(few.items(), 2):
        if one not in whole and np.allclose(base[spots] - a + b, target[spots]):
            what = f"adds {other} as the shortcut instead of {one}"
            yield "shortcut projected", base - nearby[one] + nearby[other], what


def _activation(evidence: Evidence, target: Array) -> Iterator[Guess]:
    """An activation layer that does nothing, or has another slope below zero, or is another one."""
    if evidence.configs[0].kind not in ref.ACTIVATIONS or not evidence.inputs:
        return
    x = evidence.inputs[0]
    if same(ref.ACTIVATIONS[evidence.configs[0].kind](x), target):
        return  # this side does what it declares
    yield "missing or extra activation", x, "passes its input on, the other side does not"
    at = np.unravel_index(int(x.argmin()), x.shape)
    if target.shape == x.shape and x[at] < 0:
        slope = float(target[at] / x[at])
        yield "activation slope", np.where(x > 0, x, slope * x), f"has a slope of {slope:.6g} below zero"
    for name, function in ref.ACTIVATIONS.items():
        if name != evidence.configs[0].kind:
            yield "another activation", function(x), f"applies {name}"
