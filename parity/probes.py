"""Inputs and weights that hide nothing: random values in place of the neutral ones a fresh model starts with.

A fresh batch norm has gamma 1, beta 0, mean 0 and variance 1: two of them exchanged, or one ignored, would go unseen.
"""


import numpy as np

from .compare import Array


def probe_input(shape: tuple[int, ...], seed: int) -> Array:
    """Standard normal float64 of the shape (N, C, ...), exactly representable in float32."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32).astype(np.float64)


def probe_norm(channels: int, seed: int) -> dict[str, Array]:
    """Random gamma and beta for a norm, and what its running statistics are off the input's own by.

    `shift` (in standard deviations) and `spread` (a factor on the variance) are applied to the statistics that the
    probe input itself has at that norm, so that values keep their size through a thousand layers.
    """
    draw = np.random.default_rng(seed)
    return {
        "weight": draw.uniform(0.5, 1.5, channels),
        "bias": draw.normal(0.0, 0.3, channels),
        "shift": draw.normal(0.0, 0.3, channels),
        "spread": draw.uniform(0.6, 1.6, channels),
    }


def probe_bias(shape: tuple[int, ...], seed: int) -> Array:
    """A random bias in place of a zero one, which a missing bias would equal."""
    return np.random.default_rng(seed).normal(0.0, 0.1, shape)
