"""A Keras layer goes in; its settings in torch's terms, and what its weights were drawn from, come out."""

import math
from collections.abc import Iterator
from typing import Any

import keras

from parity.models.keys import is_statistic
from parity.models.kinds import held
from parity.models.kinds.settings import ABSENT
from parity.models.layers import Found

from .dtypes import real_dtype

TRUNCATED = 0.87962566103423978  # the standard deviation of a normal cut at two of its own


def keras_initial(found: Found) -> dict[str, Any] | None:
    """What a Keras layer's kernel initializer draws: its standard deviation and its name; None for one not known."""
    layer = getattr(found.layer, "owner", found.layer)
    names = [name for torch, name, _ in found.kind.weights if torch == "weight"]
    for name in names:
        kernel = held(layer, name)
        initializer = getattr(layer, f"{name.removesuffix('_kernel')}_initializer", None)
        if kernel is not None and initializer is not None and len(kernel.shape) > 1:
            std = _std(initializer, tuple(kernel.shape))
            return None if std is None else {"std": std, "initializer": type(initializer).__name__}
    return None


def _std(initializer: Any, shape: tuple[int, ...]) -> float | None:
    """The standard deviation of an initializer's numbers, by the class of its family."""
    families = {cls.__name__ for cls in type(initializer).__mro__}
    if "VarianceScaling" in families:
        return math.sqrt(initializer.scale / _fan(shape, initializer.mode))
    if "RandomUniform" in families:
        return float((initializer.maxval - initializer.minval) / math.sqrt(12))
    if "TruncatedNormal" in families:
        return float(initializer.stddev * TRUNCATED)
    if "RandomNormal" in families:
        return float(initializer.stddev)
    if "Orthogonal" in families:
        return float(initializer.gain / math.sqrt(max(math.prod(shape[:-1]), shape[-1])))
    return 0.0 if families & {"Zeros", "Ones", "Constant"} else None


def _fan(shape: tuple[int, ...], mode: str) -> float:
    """He et al. 2015 (a), section 2.2: (..., in, out) in Keras's layout."""
    field = math.prod(shape[:-2])
    fans = field * shape[-2], field * shape[-1]
    return max(1.0, {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[mode])


def keeps_biased_variance(found: Found) -> bool:
    """Whether a batch norm's own program is Keras's, which keeps (n - 1) / n of the variance that torch keeps.

    What overrides `call`, in a class or on the layer, may do otherwise, and is judged by what it does.
    """
    own = keras.layers.BatchNormalization
    layer = found.layer
    return (
        isinstance(layer, own)
        and type(layer).call is own.call
        and "call" not in vars(layer)
        and not getattr(layer, "renorm", False)
    )


def keras_trained(found: Found, variables: dict[str, Any]) -> dict[str, Any]:
    """What a Keras layer says of training: which of its variables are, what it adds to the loss, what it holds them to.

    variables: by torch's names.
    """
    trainable = {name: bool(each.trainable) for name, each in variables.items() if not is_statistic(name)}
    own: dict[str, Any] = {"trainable": trainable} if trainable else {}
    for what in ("regularizer", "constraint"):
        told = [f"{_told(each)} of its {name}" for name, each in _held_to(found, f"_{what}")]
        own |= {what: ", ".join(told)} if told else {}
    return own


def _held_to(found: Found, ending: str) -> Iterator[tuple[str, Any]]:
    """Of what a layer, or its cell, has under names of an ending: (name, value); of a part, its own alone."""
    layer = getattr(found.layer, "owner", found.layer)
    whole = layer is found.layer
    for name, value in (vars(layer) | vars(getattr(layer, "cell", layer))).items():
        if value is not None and name.endswith(ending) and (whole or name.startswith(found.layer.name)):
            yield name.removesuffix(ending), value


def _told(function: Any) -> str:
    """A regularizer or a constraint as it is written: L2(l2=0.005)."""
    stated = function.get_config() if hasattr(function, "get_config") else {}
    given = (f"{name}={value:g}" for name, value in stated.items() if isinstance(value, int | float) and value)
    return f"{getattr(function, '__name__', type(function).__name__)}({', '.join(given)})"


def of_loss(model: Any) -> dict[str, float]:
    """What a model is compiled with: the greatest label smoothing of its losses, if there is any."""
    found = [getattr(each, "label_smoothing", 0.0) for each in keras.tree.flatten(getattr(model, "loss", None))]
    return {"label_smoothing": max(map(float, found))} if any(found) else {}


def keras_static(found: Found) -> dict[str, Any]:
    """The settings named by the layer's kind, read off a Keras layer, in torch's terms."""
    stated = ((setting.name, setting.keras(found.layer)) for setting in found.kind.settings)
    settings = {name: value for name, value in stated if value is not ABSENT}
    if found.kind.bare:
        return settings
    layer = getattr(found.layer, "owner", found.layer)
    return settings | {"dtype": real_dtype(layer.compute_dtype)} if found.kind.weights else settings
