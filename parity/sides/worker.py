"""The other process: owns one framework's model and answers until the connection closes (see remote.py)."""

import os
import re
import sys
import traceback
from functools import cached_property
from multiprocessing.connection import Connection
from typing import Any

from parity.capture import Capture, Exchange, LayerInfo, Look, Names, StepInfo, weights_of
from parity.compare import Array
from parity.errors import ParityError, WorkerError
from parity.gradients.forcing import Ask

from .messages import receive, send

COLOURS = re.compile(r"\x1b\[\d*m")
NUMBERS = re.compile(r"\[[-+.\de\s\[\]]{40,}")  # an array, which Keras prints into its messages


class Worker:
    """Answers each request by the method of its name."""

    def __init__(self, connection: Connection, framework: str, spec: str, device: str) -> None:
        self.connection = connection
        self.framework, self.spec, self.device = framework, spec, device
        self.side: Any = None
        self.capture: Capture | None = None

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
        what = {"start": "be built", "prepare": "run", "stream": "run", "randomize": "run"}.get(method, f"do {method}")
        text = NUMBERS.sub("[...]", COLOURS.sub("", " ".join(str(error).split())))
        return WorkerError(
            f"the {self.framework} model {self.spec} must {what}, and raised {type(error).__name__}: {text[:600]}; "
            "run it alone first"
        )

    def start(self, seed: int) -> list[LayerInfo]:
        from parity.targets import build

        if self.framework == "torch":
            import torch

            from .torch_side import TorchSide

            torch.manual_seed(seed)
            self.side = TorchSide(build(self.spec, self.framework), self.device)
        else:
            import keras

            from .keras_side import KerasSide

            keras.utils.set_random_seed(seed)
            self.side = KerasSide(build(self.spec, self.framework), self.device)
        return list(self.side.layers())

    def unknown_weights(self) -> list[str]:
        return list(self.side.unknown_weights())

    def weights(self) -> None:
        for item in self.side.weights():
            self.reply(item)

    def load(self, items: list[tuple[str, Array]]) -> None:
        for name, array in items:
            self.side.load(name, array)

    def randomize(self, x: Array, seed: int) -> None:
        self.side.randomize(x, seed)

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        return list(self.side.rename(names, layers, orders))

    def prepare(self, x: Array, dtype: str) -> list[StepInfo]:
        self.capture = Capture(self.side, x, dtype)
        return self.capture.prepare()

    def stream(self, look: Look) -> None:
        assert self.capture is not None
        self.capture.stream(self.reply, look)

    def replay(self, look: Look) -> None:
        assert self.capture is not None
        self.capture.replay(self.reply, look)

    def forced(self, look: Look) -> None:
        assert self.capture is not None
        exchange = Exchange(self.reply, lambda: receive(self.connection)[1], look)
        self.capture.forced(exchange, look)

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
    descriptor, framework, spec, device = argv
    Worker(Connection(int(descriptor)), framework, spec, device).serve()
    os._exit(0)  # skip the frameworks' slow shutdown


if __name__ == "__main__":
    main(sys.argv[1:])
