"""A Keras layer that draws in training -> what it draws, in the axes of its input; and a run that has it."""

from typing import Any

from keras import ops

from parity.frameworks.drawing import Draw
from parity.models.kinds.idle import drawing_class, noise_of, rate_of
from parity.models.kinds.noise import Noise
from parity.models.layers import Found


def noise_of_layer(found: Found, tensors: list[Any]) -> Noise | None:
    """What a layer draws for its input; None where it draws nothing, or by a program of its own."""
    name = drawing_class(found.layer, found.kind, "keras")
    if not name or not found.kind.idle or len(tensors) != 1:
        return None
    last = getattr(found.layer, "data_format", None) != "channels_first"
    wanted = getattr(found.layer, "noise_shape", None)
    return noise_of(name, rate_of(found.layer, found.kind), tuple(tensors[0].shape), last, wanted)


def is_replayed(found: Found) -> bool:
    """Whether what a layer draws can be drawn for it."""
    return bool(found.kind.draws and found.kind.idle and drawing_class(found.layer, found.kind, "keras"))


class Replaying:
    """A model's runs in training that draw what is given, which variables of its layers hold.

    They are its layers' own: on JAX a step is a pure function, and takes what the model has. found: its layers, by
    their own paths. draws: by their steps' names.
    """

    def __init__(self, found: list[Found], draws: dict[str, Draw], batch: int, dtype: str) -> None:
        self.held: list[tuple[Draw, Any, Any]] = []
        self.batch = batch
        for entry in found:
            if is_replayed(entry):
                raws = [raw for raw in draws if raw.partition("#")[0] == entry.path]
                own = [self._variables(entry.layer, draws[raw], dtype) for raw in raws]
                entry.layer.__dict__["call"] = _Calls(own)

    def _variables(self, layer: Any, draw: Draw, dtype: str) -> tuple[Any, Any]:
        layer._tracker.unlock()
        shape = (self.batch, *draw.shape[1:])
        factor, shift = (
            layer.add_weight(shape=shape, initializer=start, dtype=dtype, trainable=False, name=name)
            for start, name in (("ones", "factor"), ("zeros", "shift"))
        )
        layer._tracker.lock()
        self.held.append((draw, factor, shift))
        return factor, shift

    def go_to(self, step: int) -> None:
        """The step that is run next, the first being 0."""
        for draw, factor, shift in self.held:
            made = draw.of(ops.zeros(factor.shape, dtype=factor.dtype), step)
            factor.assign(made[0])
            shift.assign(made[1])


class _Calls:
    """A layer's `call`, one draw after another."""

    def __init__(self, own: list[tuple[Any, Any]]) -> None:
        self.own, self.number = own, 0

    def __call__(self, x: Any, training: bool | None = None, **_: Any) -> Any:
        if not training or not self.own:
            return x
        factor, shift = self.own[self.number % len(self.own)]
        self.number += 1
        return x * ops.cast(factor, x.dtype) + ops.cast(shift, x.dtype)
