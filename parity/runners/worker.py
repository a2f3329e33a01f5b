"""The other process: owns one framework's model and answers until the connection closes (see remote.py)."""

import os
import re
import sys
import traceback
from contextlib import nullcontext
from functools import cached_property
from multiprocessing.connection import Connection
from typing import Any

from parity.errors import ParityError, WorkerError
from parity.frameworks.side import weights_of
from parity.models.arrays import Array
from parity.models.layers import LayerInfo
from parity.models.steps import NOTHING, Look, Names, StepInfo
from parity.verdict.difference import Difference

from .messages import Ask, receive, send
from .process import give_back_memory
from .recorder import Runner
from .recording import Place, Recording, Shelf

COLOURS = re.compile(r"\x1b\[\d*m")

NUMBERS = re.compile(r"\[[-+.\de\s\[\]]{40,}")  # an array, which Keras prints into its messages

RUNS = ("prepare", "record", "compare", "forced", "randomize")


def raise_without_device(device: str, framework: str, found: list[str]) -> None:
    """Raise ParityError if a framework cannot use a device that is asked for."""
    if device not in found:
        raise ParityError(
            f"--devices {device} needs a {device} device that {framework} can use, and it finds only "
            f"{', '.join(found)} here; leave it out, or run where there is one"
        )


class Worker:
    """Answers each request by the method of its name."""

    def __init__(
        self, connection: Connection, shelves: tuple[Shelf, Shelf], framework: str, spec: str, device: str
    ) -> None:
        self.connection, self.shelves = connection, shelves
        self.framework, self.spec, self.device = framework, spec, device
        self.side: Any = None
        self.runner: Any = None

    def serve(self) -> None:
        while True:
            try:
                method, args = receive(self.connection)
            except (EOFError, OSError):
                return
            try:
                self.reply(getattr(self, method)(*args))
            except ParityError as error:
                send(self.connection, ("error", error))
            except Exception as error:  # noqa: BLE001 - whatever a user's model raises is told in one sentence
                traceback.print_exc()
                send(self.connection, ("error", self._sentence(error, method)))

    def reply(self, value: Any) -> None:
        send(self.connection, ("value", value))

    def _sentence(self, error: Exception, method: str) -> WorkerError:
        what = "be built" if method == "start" else "run" if method in RUNS else f"do {method}"
        text = NUMBERS.sub("[...]", COLOURS.sub("", " ".join(str(error).split())))
        return WorkerError(
            f"the {self.framework} model {self.spec} must {what}, and raised {type(error).__name__}: {text[:600]}; "
            "run it alone first"
        )

    def require_device(self) -> None:
        """Raise ParityError if the framework cannot use the device."""
        if self.framework == "torch":
            from parity.frameworks.torch.side import torch_devices

            raise_without_device(self.device, "torch", torch_devices())
        else:
            from parity.frameworks.keras.devices import keras_devices

            raise_without_device(self.device, "Keras", keras_devices())

    def start(self, seed: int, blank: bool = False) -> list[LayerInfo]:
        from parity.frameworks.build import build

        if self.device != "cpu":
            self.require_device()
        if self.framework == "torch":
            import torch

            from parity.frameworks.torch.side import TorchSide

            torch.manual_seed(seed)
            self.side = TorchSide(build(self.spec, self.framework), self.device)
        else:
            import keras

            from parity.frameworks.keras.devices import on_device
            from parity.frameworks.keras.side import KerasSide, blank_initializers

            keras.utils.set_random_seed(seed)
            with blank_initializers() if blank else nullcontext(), on_device(self.device):
                self.side = KerasSide(build(self.spec, self.framework), self.device)
        self.runner = Runner(self.side, *self.shelves)
        return list(self.side.layers())

    def unknown_weights(self) -> list[str]:
        return list(self.side.unknown_weights())

    def load(self, places: dict[str, Place]) -> None:
        self.runner.load(places)

    def allow_tf32(self, allowed: bool) -> None:
        self.side.allow_tf32(allowed)

    def unequal(self, places: dict[str, Place]) -> dict[str, Difference]:
        return dict(self.runner.unequal(places))

    def share_cores(self, cores: int) -> None:
        self.side.share_cores(cores)

    def randomize(self, x: Array, seed: int) -> None:
        self.side.randomize(x, seed)

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        return list(self.side.rename(names, layers, orders))

    def prepare(self, x: Array, dtype: str) -> list[StepInfo]:
        return list(self.runner.prepare(x, dtype))

    def record(self, x: Array, dtype: str, look: Look = NOTHING, weights: bool = False) -> Recording:
        recording: Recording = self.runner.record(x, dtype, look, weights)
        give_back_memory()
        return recording

    def compare(self, recording: Recording, look: Look) -> None:
        self.runner.compare(self.reply, recording, look)

    def forced(self, recording: Recording, look: Look) -> None:
        self.runner.forced(self.reply, recording, look)

    def replay(self, look: Look) -> None:
        self.runner.replay(self.reply, look)

    @cached_property
    def gradients(self) -> Any:
        return self.side.gradients()

    def free_gradients(self, x: Array, seed: int, look: Look) -> None:
        self.gradients.free(self.reply, x, seed, look)

    def forced_gradients(self, x: Array, dtype: str, look: Look) -> None:
        teach = Ask(self.reply, lambda: receive(self.connection)[1])
        self.reply(self.gradients.forced(teach, x, dtype, look))

    def kept_gradient(self, what: str, key: str) -> Array | None:
        kept: Array | None = self.gradients.kept(what, key)
        return kept

    def forced_by_itself(self, x: Array, dtype: str, look: Look) -> Any:
        return self.gradients.forced_by_itself(x, dtype, look)

    def forget_gradients(self) -> None:
        self.gradients.forget()

    def weights_of(self, path: str) -> dict[str, Array]:
        return weights_of(self.side, path)

    def environment(self) -> dict[str, Any]:
        return dict(self.side.environment())


def main(argv: list[str]) -> None:
    connection, shelf, theirs, *rest = argv
    Worker(Connection(int(connection)), (Shelf(int(shelf)), Shelf(int(theirs))), *rest).serve()
    os._exit(0)  # skip the frameworks' slow shutdown


if __name__ == "__main__":
    main(sys.argv[1:])
