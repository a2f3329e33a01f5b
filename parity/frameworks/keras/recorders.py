"""A Keras backend that is to give gradients -> what records its operations while they run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from parity.errors import ParityError


@contextmanager
def recording() -> Iterator[Any]:
    """What records operations for their gradients on this backend. Raises ParityError where nothing does."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(persistent=False) as tape:
            yield _TensorFlow(tf, tape)
    elif backend == "torch":
        yield _Torch()
    else:
        raise ParityError(
            f"gradients need a Keras backend that records while it runs, and {backend} only traces functions; "
            "set KERAS_BACKEND to tensorflow or torch"
        )


class _TensorFlow:
    def __init__(self, tf: Any, tape: Any) -> None:
        self.tf, self.tape = tf, tape

    def watched(self, x: Any) -> Any:
        with self.tape.stop_recording():
            leaf = self.tf.identity(x)
        self.tape.watch(leaf)
        return leaf

    def copied(self, x: Any) -> Any:
        return self.tf.identity(x)

    def fed(self, x: Any) -> Any:
        x = self.tf.identity(x)
        self.tape.watch(x)  # what is behind a cut has a gradient too
        return x

    def gradients(self, outputs: list[Any], given: list[Any], sources: list[Any]) -> list[Any]:
        dense = self.tf.convert_to_tensor
        made = self.tape.gradient(outputs, sources, given)
        return [None if gradient is None else dense(gradient) for gradient in made]


class _Torch:
    def watched(self, x: Any) -> Any:
        return x.detach().requires_grad_()

    def copied(self, x: Any) -> Any:
        return x.clone()  # what is watched must not be changed in place, and Keras's operators may do that

    def fed(self, x: Any) -> Any:
        return x.clone() if x.requires_grad else x.detach().clone().requires_grad_()

    def gradients(self, outputs: list[Any], given: list[Any], sources: list[Any]) -> list[Any]:
        import torch

        pairs = [(output, start) for output, start in zip(outputs, given, strict=True) if output.requires_grad]
        wanted = [x for x in sources if x.requires_grad]
        made = torch.autograd.grad([y for y, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True)
        found = {id(x): gradient for x, gradient in zip(wanted, made, strict=True)}
        return [found.get(id(x)) for x in sources]
