"""Inputs and weights that hide nothing: random values in place of the neutral ones a fresh model starts with.

A fresh batch norm has gamma 1, beta 0, mean 0 and variance 1: two of them exchanged, or one ignored, would go unseen.
"""

import numpy as np

from .arrays import Array


def probe_input(shape: tuple[int, ...], seed: int) -> Array:
    """Standard normal float64 of the shape (N, C, ...), exactly representable in float32."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32).astype(np.float64)


def probe_norm(channels: int, seed: int) -> dict[str, Array]:
    """Random gamma and beta for a norm, and running statistics in units of the probe input's own size at that norm.

    The running mean is `shift` times the input's root mean square, the running variance `spread` times its square,
    both over all channels. A norm that took its input's true mean and variance would magnify differences 1.2 times a
    layer behind a ReLU (Yang et al. 2019, "A Mean Field Theory of Batch Normalization"), a billion times in a hundred
    layers, and rounding would look like a fault; so measured, values keep their size and rounding stays rounding.
    """
    draw = np.random.default_rng(seed)
    return {
        "weight": draw.uniform(0.5, 1.5, channels),
        "bias": draw.normal(0.0, 0.3, channels),
        "shift": draw.normal(0.0, 0.3, channels),
        "spread": draw.uniform(0.7, 1.7, channels),
    }


def probe_bias(shape: tuple[int, ...], seed: int) -> Array:
    """A random bias in place of a zero one, which a missing bias would equal."""
    return np.random.default_rng(seed).normal(0.0, 0.1, shape)


def probe_scale(shape: tuple[int, ...], seed: int) -> Array:
    """A random scale in place of one of ones, which a scale that was left out would equal."""
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape)
