"""Kinds that compute nothing in evaluation mode, and what those that draw random numbers draw in training."""

from typing import Any

import numpy as np

from .kind import Kind, ranked
from .noise import ADDED, ALPHA, DROPOUT, GAUSSIAN, Noise, noise

# Of a class or function that draws, by a part of its name in small letters: what its numbers are. The first that fits.
FORMS = (("alpha", ALPHA), ("gaussiannoise", ADDED), ("gaussian", GAUSSIAN), ("", DROPOUT))
BY_SAMPLES = ("path", "depth")  # one number decides of a whole sample: stochastic depth (Huang et al. 2016)
BY_CHANNELS = ("1d", "2d", "3d", "feature", "spatial")


def noise_of(name: str, rate: float, shape: tuple[int, ...], last: bool, wanted: Any = None) -> Noise | None:
    """What a class or function of a name draws for x of a shape; None where that is nothing.

    last: whether its channels are the last axis. wanted: Keras's `noise_shape`, if there is one.
    """
    name, axes = name.lower().replace("_", ""), range(len(shape))
    form = next(form for part, form in FORMS if part in name)
    if wanted is not None:
        shared = tuple(axis for axis in axes if wanted[axis] == 1)
    elif any(part in name for part in BY_SAMPLES):
        shared = tuple(axes[1:])
    elif any(part in name for part in BY_CHANNELS):
        shared = tuple(axes[1:-1]) if last else tuple(axes[2:])
    else:
        shared = ()
    return noise(form, rate, shared, shape)


def drawing_class(layer: Any, kind: Kind, framework: str) -> str:
    """The name of the class, of the kind's, whose own program a layer runs; nothing where that is another's."""
    names, run = (kind.torch, "forward") if framework == "torch" else (kind.keras, "call")
    own = next((cls for cls in type(layer).__mro__ if run in vars(cls)), type(layer))
    known = next((cls.__name__ for cls in type(layer).__mro__ if cls.__name__ in names), "")
    home = f"{own.__module__}.".startswith(f"{framework}.")
    return known if home or own.__name__ in names else ""


def rate_of(layer: Any, kind: Kind) -> float:
    """How much a layer draws: the first of the kind's attributes that it has."""
    found = (getattr(layer, name) for name in kind.draws if hasattr(layer, name))
    return float(next(found, 0.0) or 0.0)


IDLE = (
    Kind(
        "dropout",
        ("Dropout", *ranked("Dropout{}d"), "AlphaDropout", "FeatureAlphaDropout", "StochasticDepth", "DropPath"),
        (
            "Dropout",
            *ranked("SpatialDropout{}D"),
            "AlphaDropout",
            "GaussianDropout",
            "GaussianNoise",
            "ActivityRegularization",
            "StochasticDepth",
            "DropPath",
        ),
        functions=(
            "dropout",
            *ranked("dropout{}d"),
            "alpha_dropout",
            "feature_alpha_dropout",
            "feature_dropout",
        ),
        idle=True,
        draws=("p", "rate", "stddev", "drop_prob", "drop_rate"),
    ),
    Kind(
        "identity",
        ("Identity",),
        ("Identity",),
        functions=("contiguous", "clone", "detach"),
        operations=("linear",),
        idle=True,
    ),
    Kind(
        "rescaling",
        (),
        ("Rescaling",),
        test=lambda layer: bool(np.all(np.equal(layer.scale, 1)) and np.all(np.equal(layer.offset, 0))),
        idle=True,
    ),
)
