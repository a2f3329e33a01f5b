"""A torch model as a Side: walk it, read and set its weights, run it and see every layer."""

import copy
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .capture import NOTHING, LayerInfo, Look, Step, Visit
from .compare import Array
from .paths import Found, walk_torch
from .probes import probe_bias, probe_norm
from .static import torch_static
from .weights import torch_tensors

DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}
IGNORED = {"num_batches_tracked"}  # a counter, not a weight: Keras has none
GLUE = {"iadd": "add", "cat": "concatenate", "mul": "multiply", "imul": "multiply"}


class TorchSide:
    """`model` stays as it was: runs in another dtype use a copy."""

    framework = "torch"

    def __init__(self, model: nn.Module, device: str = "cpu") -> None:
        self.model = model
        self.device = device
        self.found = list(walk_torch(model))
        self._tensors = dict(torch_tensors(self.found))
        self._copies: dict[str, nn.Module] = {}
        # Parity is a question about the program, not about TF32's ten-bit mantissa.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False

    def layers(self) -> list[LayerInfo]:
        return [self._info(found) for found in self.found]

    def _info(self, found: Found) -> LayerInfo:
        tensors = torch_tensors([found])
        shapes = {name.rpartition(".")[2]: tuple(tensor.shape) for name, tensor in tensors}
        return LayerInfo(found.path, found.kind.name, shapes, torch_static(found))

    def weights(self) -> Iterator[tuple[str, Array]]:
        for name, tensor in torch_tensors(self.found):
            yield name, tensor.detach().cpu().numpy()

    def load(self, name: str, array: Array) -> None:
        self._copies.clear()
        with torch.no_grad():
            self._tensors[name].copy_(torch.from_numpy(np.array(array)))

    def unknown_weights(self) -> list[str]:
        """Tensors of the model that no row of the table of kinds knows."""
        known = {name for name, _ in torch_tensors(self.found)}
        return [key for key in self.model.state_dict() if key not in known and key.rpartition(".")[2] not in IGNORED]

    def randomize(self, x: Array, seed: int) -> None:
        norms = [found for found in self.found if found.kind.name == "batch_norm"]
        handles = [f.layer.register_forward_pre_hook(_randomizer(seed + i)) for i, f in enumerate(norms)]
        for i, (name, tensor) in enumerate(torch_tensors(self.found)):
            if name.endswith(".bias") and not tensor.any():
                tensor.data.copy_(torch.from_numpy(probe_bias(tuple(tensor.shape), seed + i)))
        self._copies.clear()
        self.model.eval()
        try:
            with torch.no_grad():
                self.model(torch.from_numpy(x).float())
        finally:
            for handle in handles:
                handle.remove()

    def trace(self, x: Array, dtype: str, visit: Visit, look: Look = NOTHING) -> None:
        model = self._in(dtype)
        found = [Found(path, kind, model.get_submodule(path)) for path, kind, _ in self.found]
        tracer = _Tracer(found, visit, look)
        inputs = torch.from_numpy(x).to(self.device)
        inputs = inputs.to(DTYPES[dtype]) if inputs.is_floating_point() else inputs
        default = torch.get_default_dtype()
        torch.set_default_dtype(DTYPES[dtype])  # for tensors that the model makes itself
        try:
            with torch.no_grad(), tracer:  # inference mode would not count in-place changes
                tracer.start(inputs)
                tracer.finish(model(inputs))
        finally:
            torch.set_default_dtype(default)

    def _in(self, dtype: str) -> nn.Module:
        if dtype not in self._copies:
            self._copies.clear()  # one copy at a time: a float64 model is twice the size
            self._copies[dtype] = copy.deepcopy(self.model).to(self.device, DTYPES[dtype]).eval()
        return self._copies[dtype]

    def environment(self) -> dict[str, Any]:
        return {
            "torch": torch.__version__,
            "device": self.device,
            "threads": torch.get_num_threads(),
            "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        }


def _randomizer(seed: int) -> Any:
    def hook(norm: Any, args: tuple[torch.Tensor, ...]) -> None:
        x = args[0].detach()
        drawn = {key: torch.from_numpy(value).float() for key, value in probe_norm(x.shape[1], seed).items()}
        square = x.square().mean()
        norm.running_mean.copy_(drawn["shift"] * square.sqrt())
        norm.running_var.copy_(drawn["spread"] * square)
        if norm.affine:
            norm.weight.copy_(drawn["weight"])
            norm.bias.copy_(drawn["bias"])

    return hook


class _Tracer:
    """Hooks on the leaf modules, and an ear on torch's functions for the tensors made between them."""

    def __init__(self, found: list[Found], visit: Visit, look: Look) -> None:
        self.found, self.visit, self.look = found, visit, look
        self.calls: dict[str, int] = {}
        self.entered: list[tuple[list[str], tuple[Array, ...]]] = []  # sources and inputs of what runs, innermost last
        self.produced: dict[int, tuple[weakref.ref[torch.Tensor], int, str]] = {}  # id -> (tensor, version, key)
        self.glue = _GlueNames()
        self.stack = ExitStack()

    def __enter__(self) -> "_Tracer":
        for found in self.found:
            if found.kind.name != "identity":
                self.stack.callback(found.layer.register_forward_pre_hook(self._before(found)).remove)
                self.stack.callback(found.layer.register_forward_hook(self._after(found)).remove)
        self.stack.enter_context(self.glue)
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()

    def _before(self, found: Found) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
            self.glue.inside += 1
            self.calls[found.path] = self.calls.get(found.path, 0) + 1
            tensors = [x for x in args if isinstance(x, torch.Tensor)]
            wanted = self._name(found) in self.look.want
            self.entered.append(([self._source(x) for x in tensors], tuple(map(as_array, tensors)) if wanted else ()))
            for i, x in enumerate(tensors):
                self._see_input(x, f"{self._name(found)}<{i}")

        return hook

    def _after(self, found: Found) -> Any:
        def hook(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor | None:
            self.glue.inside -= 1
            sources, inputs = self.entered.pop()
            if found.kind.name == "flatten" and output.shape[1] == args[0].shape[1]:  # after a global pool: no change
                self._remember(output, sources[0])
                return None
            name = self._name(found)
            array = as_array(output, found.kind.squeezed)
            replaced = self.visit(Step(name, found.kind.name, array, sources, inputs=inputs))
            output = output if replaced is None else _like(replaced, output)
            self._remember(output, name)
            return output

        return hook

    def _name(self, found: Found) -> str:
        call = self.calls[found.path]
        return found.path if call == 1 else f"{found.path}#{call}"

    def _source(self, x: torch.Tensor) -> str:
        known = self.produced.get(id(x))
        if known is None or known[0]() is not x or known[1] != x._version:
            return "glue"
        return known[2]

    def _see_input(self, x: torch.Tensor, feeds: str) -> None:
        if self._source(x) != "glue" and feeds not in self.look.watch:
            return
        name = self.glue.name(x)
        parent = feeds.partition("<")[0].rpartition(".")[0]
        replaced = self.visit(Step(f"{parent}.{name}" if parent else name, name, as_array(x), feeds=feeds))
        if replaced is not None:
            x.copy_(_like(replaced, x))
        self._remember(x, feeds)

    def _remember(self, x: torch.Tensor, key: str) -> None:
        self.produced[id(x)] = (weakref.ref(x), x._version, key)

    def start(self, x: torch.Tensor) -> None:
        """The model's input is nobody's glue."""
        self._remember(x, "input")

    def finish(self, output: Any) -> None:
        """The model's own output is the last step: what is done after the last layer shows there."""
        self.visit(Step("output", "output", as_array(output), [self._source(output)]))


class _GlueNames(TorchFunctionMode):
    """Remembers which torch function made a tensor, outside of the leaf modules."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = 0
        self.names: dict[int, tuple[weakref.ref[torch.Tensor], str]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.inside == 0 and isinstance(result, torch.Tensor):
            name = getattr(func, "__name__", "glue").strip("_")
            self.names[id(result)] = (weakref.ref(result), GLUE.get(name, name))
        return result

    def name(self, x: torch.Tensor) -> str:
        known = self.names.get(id(x))
        return known[1] if known is not None and known[0]() is x else "glue"


def as_array(x: torch.Tensor, squeezed: bool = False) -> Array:
    """A NumPy copy of (N, C, ...), channels last in memory: what it is compared with lies so."""
    x = x.detach()
    x = x.reshape(x.shape[:2]) if squeezed and x.shape[2:].numel() == 1 else x
    x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    if x.ndim < 3:
        return x.cpu().numpy().copy()
    last = x.movedim(1, -1).contiguous()  # a copy, unless the model itself runs channels last
    array = (last.clone() if last.data_ptr() == x.data_ptr() else last).cpu().numpy()
    return np.moveaxis(array, -1, 1)


def _like(array: Array, x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(x.device, x.dtype).reshape(x.shape)
