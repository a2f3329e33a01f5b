"""Where in a tensor two outputs differ: a map small enough for a report, as plain data."""

from typing import Any

import numpy as np

from parity.models.arrays import Array
from parity.models.numbers import or_null

SIDE, CHANNELS = 32, 64  # at most so many squares each way, and so many channels or groups of channels


def error_map(torch: Array, keras: Array) -> dict[str, Any] | None:
    """|keras - torch| of two (N, C, ...) arrays as shares of torch's scale; None where they cannot be laid over.

    size: (height, width) of the image, (1, length) of a sequence, (1, 1) without either. cells: rows of the greatest
    error at each place over batch and channels (and depth), neighbours joined where there are more than SIDE.
    channels: the greatest of each of `channel_count` channels, neighbours joined too. None: not finite.
    """
    if torch.shape != keras.shape or torch.ndim < 2 or not torch.size:
        return None
    finite = np.abs(torch[np.isfinite(torch)])
    scale = float(finite.max()) if finite.size else 1.0
    with np.errstate(invalid="ignore"):
        error = np.abs(keras - torch) / (scale or 1.0)
    error[~np.isfinite(error)] = np.inf
    channels = error.max(tuple(axis for axis in range(error.ndim) if axis != 1))
    image = error.max((0, 1)).reshape(-1, *error.shape[-2:] if error.ndim > 3 else (1, error[0, 0].size)).max(0)
    rows = _joined(_joined(image, SIDE).T, SIDE).T
    return {
        "size": list(image.shape),
        "cells": [[_number(value) for value in row] for row in rows],
        "channels": [_number(value) for value in _joined(channels, CHANNELS)],
        "channel_count": len(channels),
    }


def _joined(array: Array, most: int) -> Array:
    """At most `most` along the first axis: the greatest of neighbours, as evenly as it goes."""
    if len(array) <= most:
        return array
    joined: Array = np.stack([part.max(0) for part in np.array_split(array, most)])
    return joined


def _number(value: float) -> float | None:
    rounded: float | None = or_null(float(f"{value:.2e}"))
    return rounded
