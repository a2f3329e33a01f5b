"""A framework's process in a lock-step run: builds the model, trains, and answers after every step (see process.py)."""

import gc
import os
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from parity.errors import ParityError, WorkerError
from parity.models.arrays import Array
from parity.models.keys import Key
from parity.models.layers import LayerInfo
from parity.models.recipe import Recipe
from parity.models.steps import StepInfo

from .messages import receive, send
from .recording import Shelf
from .worker import COLOURS, NUMBERS


class Stopped(Exception):
    """The run was told to end before its last step."""


class TrainingWorker:
    """Answers each request by the method of its name."""

    def __init__(self, connection: Connection, shelf: Shelf, framework: str) -> None:
        self.connection, self.shelf, self.framework = connection, shelf, framework
        self.spec = ""
        self.side: Any = None
        self.trainer: Any = None

    def serve(self) -> None:
        while True:
            try:
                method, args = receive(self.connection)
            except (EOFError, OSError):
                return
            try:
                send(self.connection, ("value", getattr(self, method)(*args)))
            except ParityError as error:
                send(self.connection, ("error", error))
            except (EOFError, OSError):
                return
            except Exception as error:  # noqa: BLE001 - whatever a user's model raises is told in one sentence
                traceback.print_exc()
                send(self.connection, ("error", self._sentence(error, method)))

    def _sentence(self, error: Exception, method: str) -> WorkerError:
        text = NUMBERS.sub("[...]", COLOURS.sub("", " ".join(str(error).split())))
        return WorkerError(
            f"the {self.framework} model {self.spec} must {'be built' if method == 'build' else 'train'}, and raised "
            f"{type(error).__name__}: {text[:600]}; run it alone first"
        )

    def build(self, spec: str, seed: int, dtype: str) -> list[LayerInfo]:
        """Make the model, in `dtype` where that must be known beforehand, and tell its layers."""
        from parity.frameworks.build import build

        self.spec = spec
        self.side = self.trainer = None
        gc.collect()  # hooks tie a model that was trained before, and all its copies, into cycles
        if self.framework == "torch":
            import torch

            from parity.frameworks.torch.side import TorchSide
            from parity.frameworks.torch.training import TorchTrainer

            torch.manual_seed(seed)
            self.side = TorchSide(build(spec, self.framework))
            self.trainer = TorchTrainer(self.side, dtype)
        else:
            import keras

            from parity.frameworks.keras.side import KerasSide
            from parity.frameworks.keras.training import KerasTrainer, set_dtype

            keras.backend.clear_session()
            set_dtype(dtype)
            keras.utils.set_random_seed(seed)
            self.side = KerasSide(build(spec, self.framework))
            self.trainer = KerasTrainer(self.side)
        return list(self.side.layers())

    def unknown_weights(self) -> list[str]:
        return list(self.side.unknown_weights())

    def randomize(self, x: Array, seed: int) -> None:
        self.side.randomize(x, seed)

    def steps(self, x: Array) -> list[StepInfo]:
        """The steps that the model takes, by which layers of other names find their partners."""
        from .recorder import Runner

        return list(Runner(self.side, Shelf()).prepare(x, "float64"))

    def rename(self, *names: Any) -> list[LayerInfo]:
        return list(self.side.rename(*names))

    def weights(self) -> list[Any]:
        return list(self.side.weights())

    def load(self, items: list[Any]) -> None:
        for name, array in items:
            self.side.load(name, array)

    def environment(self) -> dict[str, Any]:
        return dict(self.side.environment())

    def draws(self, x: Array, y: Array) -> list[Array]:
        """The losses of two forward passes in training mode."""
        return list(self.trainer.draws(x, y))

    def train(self, recipe: Recipe, x: Array, y: Array, keys: list[Key], units: Any = ()) -> None:
        """Train; after each step shelve what the keys name, then answer questions until told to go on."""

        def visit(run: Any) -> None:
            self.shelf.end = 0  # over what the last step has left
            own = self._own(keys)
            made = [run.distances(own) if key[0] == "band" else self.shelf.put(run.read(key)) for key in keys]
            send(self.connection, ("value", made))
            while True:
                method, args = receive(self.connection)
                if method == "stop":
                    raise Stopped
                if method == "on":
                    return
                send(self.connection, ("value", getattr(run, method)(*args)))

        with suppress(Stopped):
            self.trainer.train(recipe, x, y, visit, *([units] if units else []))

    @staticmethod
    def _own(keys: list[Key]) -> list[Key]:
        return [key for key in keys if key[0] not in ("band", "size")]


def main(argv: list[str]) -> None:
    connection, shelf, framework = argv
    TrainingWorker(Connection(int(connection)), Shelf(int(shelf)), framework).serve()
    os._exit(0)  # skip the frameworks' slow shutdown


if __name__ == "__main__":
    main(sys.argv[1:])
