"""A Keras model and its files of weights, there and back: read and written by Keras itself."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from parity.errors import CheckpointError, words
from parity.frameworks.adapter import Store
from parity.models.arrays import Array


class KerasStore(Store):
    """See `Store`."""

    def load(self, model: Any, arrays: Mapping[str, Array], file: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of layers that were left as they are: they are found below
                model.load_weights(str(file))
        except Exception as error:  # noqa: BLE001 - Keras tells in many ways that a file is another model's
            raise CheckpointError(
                f"{file.name} must hold the weights of the Keras model, and Keras says {words(error)}; give the model "
                "that saved it",
            ) from None
        held = self.tensors(model)
        without = _prints(arrays) - _prints(held), _prints(held) - _prints(arrays)
        if any(without):
            left, lacking = (sum(each.values()) for each in without)
            raise CheckpointError(
                f"{file.name} must hold exactly the weights of the Keras model, but {left} of its {len(arrays)} arrays "
                f"are none of the model's, and {lacking} of the model's {len(held)} are not in it; give the model that "
                "saved it",
                {"unlike any of the model's": [name for name, a in arrays.items() if _print(a) in without[0]]},
            )

    def tensors(self, model: Any) -> dict[str, Array]:
        return {f"{number} {v.path}": _array(v) for number, v in enumerate(model.weights)}

    def save(self, model: Any, file: Path) -> None:
        with warnings.catch_warnings(), _without_absl():
            warnings.simplefilter("ignore")  # of the older format
            (model.save_weights if file.name.endswith(".weights.h5") else model.save)(str(file))

    def input_shape(self, model: Any) -> tuple[int, ...] | None:
        inputs: Any = getattr(model, "inputs", None) or ()
        shape: tuple[Any, ...] = tuple(inputs[0].shape[1:]) if len(inputs) == 1 else ()
        if not shape or not all(isinstance(size, int) for size in shape):
            return None
        first = keras.config.image_data_format() == "channels_first" or len(shape) < 2
        sizes = list(shape)
        return shape if first else (sizes[-1], *sizes[:-1])


@contextmanager
def _without_absl() -> Iterator[None]:
    """Keras warns of the older format by absl's logger, too."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _array(variable: Any) -> Array:
    array = ops.convert_to_numpy(variable)
    return np.array(array.astype("f4") if array.dtype.name == "bfloat16" else array)


def _prints(arrays: Mapping[str, Array] | Iterable[Array]) -> Counter[tuple[tuple[int, ...], str]]:
    """What each array is, as a number that another has not; how often it is there."""
    held = arrays.values() if isinstance(arrays, Mapping) else arrays
    return Counter(map(_print, held))


def _print(array: Array) -> tuple[tuple[int, ...], str]:
    return array.shape, sha256(np.ascontiguousarray(array, f"<{array.dtype.str[1:]}").tobytes()).hexdigest()
