"""A NumPy network as a Side: its weights read and set, run and seen layer by layer."""

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from parity.errors import ParityError
from parity.frameworks.forcing import SideGradients
from parity.frameworks.tracer import Trace
from parity.models.inputs import Given, Inputs, inputs_of
from parity.models.kinds import KINDS
from parity.models.layers import LayerInfo
from parity.models.steps import NOTHING, Expected, Look, Names, Visit

from .models import Array, BatchNorm, Conv, Dense, Layer, Network, Pool, ReLU

ROWS = {Conv: "conv", BatchNorm: "batch_norm", ReLU: "relu", Pool: "global_avg_pool", Dense: "dense"}

KIND = {cls: next(kind for kind in KINDS if kind.name == name) for cls, name in ROWS.items()}


class NumPySide:
    """`model` stays as it was: layers compute in the dtype of what they get."""

    framework = "tests.frameworks.numpy_adapter"

    def __init__(self, model: Network) -> None:
        self.model, self.names = model, Names()
        self.expected: Expected | None = None

    def layers(self) -> list[LayerInfo]:
        return [self._info(path, layer) for path, layer in self.model.layers.items()]

    def _info(self, path: str, layer: Layer) -> LayerInfo:
        shapes = {name: array.shape for name, array in layer.weights.items()}
        settings = _settings(layer) | ({"dtype": "float32"} if shapes else {})
        return LayerInfo(path, KIND[type(layer)].name, shapes, settings)

    def weights(self) -> Iterator[tuple[str, Array]]:
        for path, layer in self.model.layers.items():
            yield from ((f"{path}.{name}", array) for name, array in layer.weights.items())

    def load(self, name: str, array: Array) -> None:
        path, _, tensor = name.rpartition(".")
        self.model.layers[path].weights[tensor][...] = array

    def unknown_weights(self) -> list[str]:
        return []

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        self.names = names
        return self.layers()

    def fitted(self, x: Inputs, seed: int) -> Inputs:
        raise NotImplementedError("inputs are named and drawn on the other side")

    def meet(self, x: Inputs) -> list[LayerInfo]:
        return self.layers()

    def settle(self) -> list[LayerInfo]:
        return self.layers()

    def expect(self, expected: Expected) -> None:
        self.expected = expected

    def randomize(self, x: Given, seed: int) -> None:
        raise NotImplementedError("probe weights are made on the other side and copied")

    def trace(self, x: Given, dtype: str, visit: Visit, look: Look = NOTHING, tape: Any = None) -> None:
        with NumPyTrace(visit, look, self.names, tape, "channels", set(self.model.layers)) as tracer:

            def call(path: str, x: Array) -> Array:
                layer = self.model.layers[path]
                made: Array = tracer.layer(path, KIND[type(layer)], layer, (x,), {})
                return made

            tracer.finish(self.model(tracer.start(inputs_of(x).first.astype(dtype)), call), self.expected)

    def run(self, x: Array, dtype: str = "", training: bool = False) -> None:
        self.model(x.astype(dtype or "float32"), lambda path, x: self.model.layers[path](x))

    def gradients(self) -> SideGradients:
        raise ParityError("gradients need a framework that differentiates, and NumPy does not; leave --gradients out")

    def spare_cores(self, spared: int) -> None:
        pass

    def require_onednn(self, asked: str) -> None:
        pass

    def allow_wide_types(self, allowed: bool) -> bool:
        return False

    def allow_tf32(self, allowed: bool) -> None:
        pass

    def environment(self) -> dict[str, Any]:
        return {"numpy": np.__version__, "device": "cpu"}


def _settings(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, Conv):
        pairs = {"kernel_size": 3, "stride": layer.stride, "padding": 1, "dilation": 1}
        return {name: [value, value] for name, value in pairs.items()} | {"groups": 1, "bias": False}
    if isinstance(layer, BatchNorm):
        return {"eps": layer.eps, "momentum": 0.1}
    return {"bias": True} if isinstance(layer, Dense) else {}


class NumPyTrace(Trace):
    """Tensors are arrays, laid out as torch's."""

    channels_last = False  # type: ignore[assignment]

    def tensors(self, args: Any) -> list[Any]:
        return [x for x in (args if isinstance(args, tuple) else (args,)) if isinstance(x, np.ndarray)]

    def swapped(self, args: Any, new: dict[int, Any]) -> Any:
        return tuple(new.get(id(x), x) for x in args) if isinstance(args, tuple) else new.get(id(args), args)

    def mark(self, x: Any) -> Any:
        return weakref.ref(x)

    def is_marked(self, mark: Any, x: Any) -> bool:
        return mark() is x

    def to_array(self, x: Any, layout: str, squeezed: bool) -> Array:
        return np.array(x)

    def to_tensor(self, array: Array, like: Any, layout: str) -> Any:
        return array.astype(like.dtype).reshape(like.shape)

    def of_positions(self, array: Array) -> Any:
        return array
