"""A layer whose numbers are coarser than its dtype -> which reduced format explains them."""

from collections.abc import Iterator

from parity.models.arrays import Array
from parity.models.kinds.formulas import channels
from parity.verdict.cause import Cause
from parity.verdict.difference import difference

from .evidence import Config, Evidence
from .rerun import rounded, run


def precision_cause(evidence: Evidence) -> Cause:
    """Which reduced format explains the coarser side's error: the layer with rounded input, weights and output."""
    assert evidence.low is not None
    errors = [difference(low, out).rms for low, out in zip(evidence.low, (evidence.torch, evidence.keras), strict=True)]
    worse = int(errors[1] > errors[0])
    side, low, config = ("torch", "Keras")[worse], evidence.low[worse], evidence.configs[worse]
    left = {}
    for dtype in ("tf32", "bfloat16", "float16"):
        outputs = _in_dtype(config, evidence.inputs, dtype)
        left[dtype] = min((difference(low, out).rms for out in outputs), default=float("inf"))
    best = min(left, key=lambda dtype: left[dtype])
    found = f"{side} errs by {errors[worse]:.1e} where the other side errs by {errors[1 - worse]:.1e}"
    if left[best] <= errors[worse] / 3:
        return Cause(
            "reduced precision",
            evidence.path,
            f"{found}; computed on numbers rounded to {best}, {left[best]:.1e} of that is left",
        )
    return Cause("unknown", evidence.path, f"{found}, and no reduced format explains it")


def _in_dtype(config: Config, inputs: tuple[Array, ...], dtype: str) -> Iterator[Array]:
    """A layer's output from rounded numbers: itself not rounded, rounded, or rounded before its bias is added."""
    weights = {k: rounded(v, dtype) for k, v in config.weights.items() if k in ("weight", "bias")}
    coarse = tuple(rounded(x, dtype) for x in inputs)
    out = run(config, coarse, **weights)
    if out is None:
        return
    yield out
    yield rounded(out, dtype)
    product = run(config, coarse, **weights | {"bias": None}) if "bias" in weights else None
    if product is not None:
        yield rounded(product, dtype) + channels(config.weights["bias"], product)


def dtype_cause(path: str, torch: str, keras: str, evidence: Evidence) -> Cause:
    """Two dtypes that differ: how far the coarser one's rounding moves the layer's output."""
    coarse, side = (keras, "Keras") if keras in COARSE else (torch, "torch")
    what = f"it computes in {torch} in torch and in {keras} in Keras"
    if coarse in COARSE:
        config = evidence.configs[0]
        weights = {name: rounded(value, coarse) for name, value in config.weights.items()}
        out = run(config, tuple(rounded(x, coarse) for x in evidence.inputs), **weights)
        if out is not None:
            moved = difference(rounded(out, coarse), evidence.torch).error
            what += f"; rounded as {side} does, its input, weights and output move by {moved:.1e} of its scale"
    return Cause("reduced precision", path, what)


COARSE = ("bfloat16", "float16")
