"""Keras's entry: a spec or a model -> its Side, or one that is trained."""

from contextlib import ExitStack, nullcontext
from typing import Any

import keras

from parity.frameworks.adapter import Adapter, Store, Trainer
from parity.frameworks.build import build
from parity.frameworks.side import Side

from .blank import blank_initializers
from .devices import keras_devices, on_device
from .dtypes import computing_in
from .side import KerasSide


class KerasAdapter(Adapter):
    """See `Adapter`."""

    def __init__(self) -> None:
        self._dtypes = ExitStack()  # what the dtype of the model that is trained has set

    def devices(self) -> list[str]:
        return keras_devices()

    def side(self, model: Any) -> Side:
        return KerasSide(model)

    def open(self, spec: str, seed: int, device: str, blank: bool) -> Side:
        keras.utils.set_random_seed(seed)
        with blank_initializers() if blank else nullcontext(), on_device(device):
            return KerasSide(build(spec, "keras"), device)

    def trainer(self, spec: str, seed: int, dtype: str) -> Trainer:
        from .training import KerasTrainer, set_dtype

        keras.backend.clear_session()
        self._dtypes.close()
        self._dtypes.enter_context(computing_in(dtype, casts=False))
        set_dtype(dtype)
        keras.utils.set_random_seed(seed)
        return KerasTrainer(KerasSide(build(spec, "keras")))

    def store(self) -> Store:
        from .store import KerasStore

        return KerasStore()


ADAPTER: Adapter = KerasAdapter()
