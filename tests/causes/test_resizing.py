"""A resize is read as what torch and Keras make of it, and the setting that differs is the cause."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from parity.causes.diagnose import diagnose
from parity.causes.evidence import Config, Evidence
from parity.causes.readings import read
from parity.causes.resizing import RESIZE
from parity.models.arrays import Array
from parity.models.kinds import named

X = np.random.default_rng(0).standard_normal((2, 3, 12, 9))


def in_torch(size: tuple[int, int], mode: str, corners: bool | None = None, antialias: bool = False) -> Array:
    made = F.interpolate(torch.from_numpy(X), size, mode=mode, align_corners=corners, antialias=antialias)
    return made.numpy()


def evidence(ours: Array, theirs: Array) -> Evidence:
    config = Config(named("upsample"), {}, {})
    return Evidence("resize", ours, theirs, (X,), (config, config))


@pytest.mark.parametrize("size", [(7, 5), (17, 14), (24, 18)])
@pytest.mark.parametrize(
    "settings",
    [
        ("bilinear", False),
        ("bilinear", True),
        ("bilinear", False, True),
        ("bicubic", False),
        ("bicubic", True),
        ("bicubic", False, True),
        ("nearest",),
        ("nearest-exact",),
        ("area",),
    ],
)
def test_what_torch_resizes_is_read(settings: Any, size: tuple[int, int]) -> None:
    out = in_torch(size, *settings)
    assert list(read(evidence(out, out), RESIZE, (X,), out))


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos3", "lanczos5", "nearest"])
@pytest.mark.parametrize("size", [(7, 5), (17, 14)])
def test_what_keras_resizes_is_read(mode: str, size: tuple[int, int], antialias: bool) -> None:
    """TensorFlow resizes in float32: what is read of it is met to that."""
    image = np.moveaxis(X, 1, -1).astype("float32")
    made = keras.ops.image.resize(image, size, mode, antialias=antialias)
    out = np.moveaxis(keras.ops.convert_to_numpy(made), -1, 1).astype(np.float64)
    found = [function(X) for _, function in RESIZE.candidates(evidence(out, out), (X,), out)]
    assert min(np.abs(each - out).max() for each in found) < 1e-5


@pytest.mark.parametrize(
    ("one", "other", "cause"),
    [
        (("bilinear", False, True), ("bilinear", False), "antialias filter of the resize"),
        (("bilinear", True), ("bilinear", False), "pixel centres of the resize (align_corners)"),
        (("bicubic", False), ("bilinear", False), "interpolation of the resize"),
        (("nearest",), ("nearest-exact",), "rounding of the nearest pixel (nearest against nearest-exact)"),
        (("bilinear", False), ("nearest",), "interpolation of the resize"),
    ],
)
def test_the_setting_that_differs_is_the_cause(one: Any, other: Any, cause: str) -> None:
    for a, b in ((one, other), (other, one)):
        outputs = in_torch((7, 5), *a), in_torch((7, 5), *b)
        assert diagnose(evidence(*outputs)).name == cause
        assert diagnose(evidence(outputs[0], outputs[1] + 1e-6 * X[:, :, :7, :5])).name == "unknown"
