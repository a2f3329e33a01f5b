"""What states no settings is read from its numbers: where both sides' readings differ is the cause, nothing else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence, User
from parity.models.arrays import Array
from parity.models.kinds import formulas, named
from parity.models.kinds.formulas import pad, pool, softmax

pytestmark = pytest.mark.quick

DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((2, 4, 8, 6))
A, B = DRAW.standard_normal((2, 3, 16)), DRAW.standard_normal((2, 3, 16))
SCALES = np.array([2.0, 4.0, 8.0, 1.0]).reshape(1, 4, 1, 1)
SQUARE = X[:, :, :6]
ODD = DRAW.standard_normal((2, 4, 9, 7))
CUBE = DRAW.standard_normal((3, 5, 5))
WIDE = DRAW.standard_normal((2, 8, 5, 3))
LINE, VOLUME = DRAW.standard_normal((2, 4, 12)), DRAW.standard_normal((2, 2, 6, 6, 6))
MOST, MEAN = pool(np.max, -np.inf), pool(np.mean, 0.0)


def pooled(formula: Any, x: Array, pads: Any, size: int = 3, stride: int = 2, value: float | None = None) -> Array:
    rank = x.ndim - 2
    static = {"kernel_size": [size] * rank, "stride": [stride] * rank, "padding": [pads] * rank}
    return np.asarray(formula(x, {}, static | ({} if value is None else {"pad_value": value})))


def padded(x: Array, mode: str, pixels: int = 2) -> Array:
    return pad(x, [(pixels, pixels)] * (x.ndim - 2), mode=mode)


def along(x: Array, axis: int) -> Array:
    return np.moveaxis(softmax(np.moveaxis(x, axis, 1)), 1, axis)


def standard(x: Array, axes: tuple[int, ...], eps: float = 1e-5) -> Array:
    return np.asarray((x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps))


def to_pixels(x: Array, channels_first: bool) -> Array:
    n, c, h, w = x.shape
    split = x.reshape(n, c // 4, 2, 2, h, w) if channels_first else x.reshape(n, 2, 2, c // 4, h, w)
    axes = (0, 1, 4, 2, 5, 3) if channels_first else (0, 3, 4, 1, 5, 2)
    return split.transpose(axes).reshape(n, c // 4, 2 * h, 2 * w)


class Fault(NamedTuple):
    """What goes in, what either side makes of it, the cause's name and a word of its evidence."""

    inputs: tuple[Array, ...]
    torch: Array
    keras: Array
    cause: str
    word: str


def fault(cause: str, word: str, make: Callable[..., Array], one: Any, other: Any, *inputs: Array) -> Fault:
    """One function with two settings."""
    return Fault(inputs, make(*inputs, *one), make(*inputs, *other), cause, word)


def gelu(x: Array, approximate: bool) -> Array:
    return formulas.gelu(x, {}, {"approximate": approximate})


def distance(a: Array, b: Array, order: int) -> Array:
    return np.asarray(np.linalg.norm(a - b, order, axis=2))


def flattened(x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes).reshape(len(x), -1)


FAULTS = {
    "max pool": fault("asymmetric padding", "[0, 1]", lambda x, p: pooled(MOST, x, p), [(1, 0)], [(0, 1)], X),
    "max pool, odd": fault("asymmetric padding", "[2, 0]", lambda x, p: pooled(MOST, x, p), [(1, 1)], [(2, 0)], ODD),
    "max pool, line": fault("asymmetric padding", "[0, 1]", lambda x, p: pooled(MOST, x, p), [(1, 0)], [(0, 1)], LINE),
    "max pool, volume": fault("asymmetric padding", "pad", lambda x, p: pooled(MOST, x, p), [(1, 0)], [(0, 1)], VOLUME),
    "average pool": fault("asymmetric padding", "[0, 1]", lambda x, p: pooled(MEAN, x, p), [(1, 0)], [(0, 1)], X),
    "pad value": fault(
        "max-pool pad value", "pad value 0", lambda x, v: pooled(MOST, x, (1, 1), value=v), [-np.inf], [0.0], -abs(X)
    ),
    "max for mean": fault("another kind of pool", "mean", lambda x, f: pooled(f, x, (0, 0), 2), [MOST], [MEAN], X),
    "mean for max": fault("another kind of pool", "max", lambda x, f: pooled(f, x, (0, 0), 2), [MEAN], [MOST], X),
    "window": fault("another window", "[3, 3]", lambda x, k: pooled(MOST, x, (0, 0), k, 2), [2], [3], ODD),
    **{
        f"{one} for {other}": fault("padding mode", other, padded, [one], [other], X)
        for one, other in (
            ("reflect", "constant 0"),
            ("constant", "reflect"),
            ("replicate", "circular"),
            ("symmetric", "reflect"),
        )
    },
    "margins": fault("asymmetric padding", "[2, 0]", lambda x, p: pad(x, [p, p]), [(1, 1)], [(2, 0)], X),
    "crop": fault("crop at another offset", "[1, 1]", lambda x, i: x[:, :, i : i + 5, i : i + 5], [0], [1], X),
    "shift": fault("asymmetric padding", "[[1, -1]", lambda x, i: pad(x, [(i, -i), (0, 0)]), [0], [1], X),
    "absolute": fault("another function", "squared", lambda x, f: f(x), [np.abs], [np.square], X),
    "root": fault("another function", "log1p", lambda x, f: f(abs(x)), [np.sqrt], [np.log1p], abs(X)),
    "distance": fault("another function", "squared", lambda a, b, f: f(a - b), [np.abs], [np.square], A, B),
    "joined": fault("another operation", "a * b", lambda a, b, f: f(a, b), [np.add], [np.multiply], A, B),
    "slope": fault("activation slope", "0.2", lambda x, s: np.where(x > 0, x, s * x), [0.01], [0.2], X),
    "alpha": fault("activation slope", "0.5", lambda x, a: np.where(x > 0, x, a * np.expm1(x)), [1.0], [0.5], X),
    "bounds": fault("another bound", "0 and 1", np.clip, [0, 2], [0, 1], X),
    "approximate": fault("another function", "approximate", gelu, [False], [True], X),
    "offset": fault("another offset", "-0.5", lambda x, c: x / 2 + c, [-1], [-0.5], X),
    "scale": fault("another scale of each channel", "[2, 4, 8, 1]", lambda x, s: x * s + 1, [1], [SCALES], X),
    "sum of squares": fault(
        "another function", "squared", lambda a, b, f: f(a - b).sum(2), [np.abs], [np.square], A, B
    ),
    "root of a sum": fault("another function", "norm", distance, [1], [2], A, B),
    "softmax": fault("another axis", "[2]", along, [1], [2], A),
    "softmax of images": fault("another axis", "[3]", along, [1], [3], X),
    "softmax over the batch": fault("another axis", "[1]", along, [0], [1], A),
    "norm": fault("another axis", "[2, 3]", standard, [(1, 2, 3)], [(2, 3)], X),
    "epsilon": fault("BN eps", "0.001", standard, [(1, 2), 1e-5], [(1, 2), 1e-3], A),
    "sum": fault("another axis", "[1]", lambda x, a: x.sum(a), [2], [1], CUBE),
    "mean for sum": fault("another function", "mean", lambda x, f: f(x, (2, 3)), [np.sum], [np.mean], X),
    "argmax": fault("another axis", "[1]", lambda x, a: x.argmax(a).astype(float), [2], [1], CUBE),
    "concatenated": fault("another axis", "axis 2", lambda a, b, i: np.concatenate([a, b], i), [1], [2], A, B),
    "order of two": Fault(
        (A, B), np.concatenate([A, B], 1), np.concatenate([B, A], 1), "order of what is concatenated", "[1, 0]"
    ),
    "pixel shuffle": fault("channel order of the shuffle", "r1, r2, C", to_pixels, [True], [False], WIDE),
    "flatten": fault("order of the axes", "H, W, C", flattened, [(0, 1, 2, 3)], [(0, 2, 3, 1)], X),
    "a slice for a pool": Fault(
        (X,), pooled(MOST, X, (0, 0), 2), X[:, :, ::2, ::2], "a slice against a pool", "[1, 1]"
    ),
    "permuted": Fault((), X, X[:, [2, 0, 3, 1]], "order of the output", "along axis 1"),
    "reversed": Fault((), X, X[:, :, ::-1], "order of the output", "axis 2"),
    "rows and columns": Fault((), SQUARE, SQUARE.swapaxes(2, 3), "order of the output", "exchanged"),
}


def evidence(planted: Fault, known: bool = True) -> Evidence:
    """known: whether the step's inputs are; else they are among the steps before it."""
    config = Config(named("a function"), {}, {})
    before = {} if known else {"unlike": LINE} | {str(i): x for i, x in enumerate(planted.inputs)}
    inputs = planted.inputs if known else ()
    return Evidence("step", planted.torch, planted.keras, inputs, (config, config), before=before)


@pytest.mark.parametrize("known", [True, False], ids=["known", "between layers"])
@pytest.mark.parametrize("name", FAULTS)
def test_the_setting_that_differs_is_the_cause(name: str, known: bool) -> None:
    planted = FAULTS[name]
    cause = diagnose(evidence(planted, known))
    assert cause.name == planted.cause, cause
    assert planted.word in cause.evidence


@pytest.mark.parametrize("name", FAULTS)
def test_a_reading_that_is_not_met_names_nothing(name: str) -> None:
    """Whatever else Keras does beside: its output is then of no known function."""
    planted = FAULTS[name]
    noise = 1e-6 * DRAW.standard_normal(planted.keras.shape)
    assert diagnose(evidence(planted._replace(keras=planted.keras + noise))).name == "unknown"


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_an_output_of_one_number_says_nothing(value: float) -> None:
    cause = diagnose(evidence(Fault((X,), np.full(X.shape, value), X + X**2, "", "")))
    assert cause.name == "unknown"


@pytest.mark.parametrize("shape", [(2, 16), (1, 4), (2, 2), (1, 1), (3, 2, 2)])
def test_few_numbers_are_fitted_by_nothing(shape: tuple[int, ...]) -> None:
    """A line goes through any two points: what has as many numbers of its own as there are to meet says nothing."""
    x, ours, theirs = DRAW.standard_normal((3, *shape))
    assert diagnose(evidence(Fault((x,), ours, theirs, "", ""))).name in ("unknown", "constant factor")
    assert diagnose(evidence(Fault((x,), np.abs(x), theirs, "", ""))).name in ("unknown", "constant factor")


def test_pads_that_a_max_pool_cannot_show_are_not_told() -> None:
    """Behind a ReLU a pad of 0 is as good as one of minus infinity: what differs is told alone."""
    x = np.maximum(X, 0)
    cause = diagnose(evidence(Fault((x,), pooled(MOST, x, (1, 0)), pooled(MOST, x, (0, 1), value=0.0), "", "")))
    assert cause.name == "asymmetric padding"
    assert "pad value 0" not in cause.evidence


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("side", ["torch", "keras"])
def test_a_pad_of_zeros_in_front_of_a_max_pool(side: str, stated: bool) -> None:
    """One side pads in a step of its own, the other within its pool."""
    zeros = pad(X, [(1, 1), (1, 1)])
    window = {"kernel_size": [3, 3], "stride": [2, 2]}
    settings = {"padding": [1, 1]} | window, {"padding": [0, 0]} | window
    padding = settings if side == "keras" else settings[::-1]
    kind = named("max_pool")
    pools = [Config(kind, {}, static if stated or side == "torch" else {}) for static in padding]
    out = pooled(MOST, X, (1, 1)) if side == "keras" else pooled(MOST, zeros, (0, 0))
    outputs = (X, zeros) if side == "keras" else (zeros, X)
    config = Config(named("zero_pad"), {}, {})
    given = Evidence("pad", *outputs, (), (config, config), user=User((pools[0], pools[1]), out))
    cause = diagnose(given)
    assert cause.name == "max-pool pad value"
    assert f"{'Keras' if side == 'keras' else 'torch'} pads with 0" in cause.evidence
    other = Config(named("avg_pool"), {}, window | {"padding": [1, 1]})
    assert diagnose(replace(given, user=User((other, other), out))).name != "max-pool pad value"
