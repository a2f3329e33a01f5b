"""Kinds that compute nothing in evaluation mode."""

import numpy as np

from .kind import Kind, ranked

IDLE = (
    Kind(
        "dropout",
        ("Dropout", *ranked("Dropout{}d"), "AlphaDropout", "FeatureAlphaDropout"),
        (
            "Dropout",
            *ranked("SpatialDropout{}D"),
            "AlphaDropout",
            "GaussianDropout",
            "GaussianNoise",
            "ActivityRegularization",
        ),
        functions=("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout"),
        idle=True,
        draws=("p", "rate", "stddev"),
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
