"""A torch model as a Side: walk it, read and set its weights, run it and see every layer."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from parity.errors import ParityError
from parity.frameworks.calling import Call, call_of
from parity.frameworks.drawing import Draw
from parity.frameworks.forcing import SideGradients
from parity.frameworks.machine import processor, torch_settings
from parity.frameworks.source import MADE, written
from parity.models.arrays import Array
from parity.models.inputs import Given, Inputs, filled, inputs_of
from parity.models.kinds import bare
from parity.models.layers import Found, LayerInfo, in_order
from parity.models.pieces import Held
from parity.models.probes import probe_bias, probe_norm, probe_scale
from parity.models.source import Sources
from parity.models.steps import NOTHING, Expected, Look, Names, Step, Visit, is_output

from .calls import Program
from .effective import effective
from .embedded import fitted
from .modes import evaluating, own_dtype, typed
from .recurrent import on, owner_of, time_first
from .reruns import TorchReruns
from .settings import is_fresh, torch_initial, torch_static, torch_trained
from .tracer import TorchTrace
from .walk import bare_tensors, in_copy, torch_tensors, walk_torch
from .wide import default_dtype
from .wrappers import seated, training_copy, uncompiled, unwrapped

DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}


def torch_devices() -> list[str]:
    """The kinds of devices that torch can use here."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["cpu", *(name for name, available in found.items() if available)]


class TorchSide:
    """`model` stays as it was: in a run in another dtype, a layer's tensors are cast while that layer runs."""

    framework = "torch"

    def __init__(self, model: nn.Module, device: str = "cpu") -> None:
        model, self._wrapped = unwrapped(model)
        model = seated(model)
        self._places = {path: MADE.of(module) for path, module in model.named_modules()}
        self.device = device
        self._computed: tuple[str, ...] = ()
        self.drawn: dict[str, Draw] = {}  # what the steps of the latest run draw, by their own names
        self._programs: dict[str, Program] = {}  # of the latest run, by the steps that were wanted
        self._threads = torch.get_num_threads()
        self._hold(model)
        self.allow_tf32(False)  # parity is a question about the program

    def _hold(self, model: nn.Module) -> None:
        self.model = model.to(self.device)
        self.found = list(walk_torch(model))
        self.bare = list(bare_tensors(model, self.found))
        self._tensors = dict(torch_tensors([*self.found, *self.bare]))
        self._first: dict[int, str] = {}  # of every tensor, by id, the name that it has first
        for name, tensor in self._tensors.items():
            self._first.setdefault(id(tensor), name)
        self.names = Names()
        fresh = is_fresh(self.found)
        self._initial = {entry.path: torch_initial(entry) for entry in self.found if fresh and entry.kind.weights}

    def settle(self) -> list[LayerInfo]:
        """Take weights that the model computes from others for its own; see effective.py."""
        model, self._computed = effective(self.model)
        if self._computed:
            self._hold(seated(model))
        return self.layers()

    def layers(self) -> list[LayerInfo]:
        held = self.names.held
        known = [self._info(found) for found in in_order(self.found, self.bare)]
        return [_in_pieces(layer, held) if layer.path in held.layers[0] else layer for layer in known]

    def _info(self, found: Found) -> LayerInfo:
        tensors = torch_tensors([found])
        shapes = {name.rpartition(".")[2]: tuple(tensor.shape) for name, tensor in tensors}
        initial = self._initial.get(found.path)
        first = {name: self._first[id(tensor)] for name, tensor in torch_tensors([found])}
        tied = {name.rpartition(".")[2]: other for name, other in first.items() if other != name}
        settings = torch_static(found), initial, tied
        trained, made = torch_trained(found), self._made_at(found)
        return LayerInfo(found.path, found.kind.name, shapes, *settings, trained=trained, made=made)

    def _made_at(self, found: Found) -> Sources:
        """The lines that made a module, or what it is a copy of."""
        return written(MADE.of(owner_of(found.layer)) or self._places.get(found.path, ()))

    def found_in(self, model: nn.Module) -> list[Found]:
        """The layers, and the tensors outside of any, of a copy of the model."""
        layers = [on(model, entry) for entry in self.found]
        bare = [entry._replace(layer=in_copy(entry, model)) for entry in self.bare]
        return [*layers, *bare]

    def weights(self) -> Iterator[tuple[str, Array]]:
        for name, tensor in self._tensors.items():
            kept = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()  # NumPy has none
            yield name, self.names.held.read(name, kept.cpu().numpy())

    def load(self, name: str, array: Array) -> None:
        with torch.no_grad():
            self._tensors[name].copy_(torch.from_numpy(np.array(array)))

    def rename(self, names: Names, layers: dict[str, str], orders: dict[str, tuple[int, ...]]) -> list[LayerInfo]:
        """torch's names are everyone's: only which steps to hide is news."""
        self.names = names
        return self.layers()

    def unknown_weights(self) -> list[str]:
        """Tensors of the model that no row of the table of kinds knows."""
        known = {id(tensor) for _, tensor in torch_tensors([*self.found, *self.bare])}
        return [name for name, x in self.model.named_parameters(remove_duplicate=True) if id(x) not in known]

    def fitted(self, x: Inputs, seed: int) -> Inputs:
        """The inputs by the names that `forward` gives them, with token ids where embeddings want some; see Side."""
        words = self._call(x).words
        with evaluating(self.model), uncompiled(self.model), torch.no_grad():
            x = fitted(self.model, x.called(words), seed, self._run)
            return replace(x, time_first=time_first(x, self.found, self._run), images=_images(x, self.found))

    def _call(self, x: Inputs) -> Call:
        """How the model is called on x; asked while its `forward` is its own."""
        return call_of("torch", self.model.forward, x)[0]

    def meet(self, x: Inputs) -> list[LayerInfo]:
        """A torch model is whole when it is built, but for lazy modules."""
        return self.layers()

    def expect(self, expected: Expected) -> None:
        """torch's outputs are everyone's."""

    def _run(self, x: Inputs) -> Any:
        """Call the model as it is."""
        call, tensors = self._call(x), self._tensors_of(x, own_dtype(self.model))
        return self.model(*filled(call.args, tensors), **filled(call.kwargs, tensors))

    def _tensors_of(self, x: Inputs, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        found = {name: torch.from_numpy(np.array(array)).to(self.device) for name, array in x.arrays.items()}
        return {name: t.to(dtype) if t.is_floating_point() else t for name, t in found.items()}

    def randomize(self, x: Given, seed: int) -> None:
        norms = [f for f in self.found if f.kind.probe == "statistics" and f.layer.running_mean is not None]
        handles = [f.layer.register_forward_pre_hook(_randomizer(seed + i)) for i, f in enumerate(norms)]
        for i, (name, tensor) in enumerate(torch_tensors(self.found)):
            if name.endswith(".bias") and not tensor.any():
                tensor.data.copy_(torch.from_numpy(probe_bias(tuple(tensor.shape), seed + i)))
            if name.endswith(".weight") and tensor.ndim == 1 and bool((tensor == 1).all()):
                tensor.data.copy_(torch.from_numpy(probe_scale(tuple(tensor.shape), seed + i)))
        for i, (_, tensor) in enumerate(torch_tensors(entry for entry in self.bare if not entry.kind.spare)):
            plain = next((make for make, v in ((probe_bias, 0), (probe_scale, 1)) if bool((tensor == v).all())), None)
            if plain is not None and tensor.is_floating_point():
                tensor.data.copy_(torch.from_numpy(plain(tuple(tensor.shape), seed + i)))
        try:
            with evaluating(self.model), uncompiled(self.model), torch.no_grad():
                self._run(inputs_of(x))
        finally:
            for handle in handles:
                handle.remove()

    def allow_tf32(self, allowed: bool) -> None:
        """Let float32 products round to TF32's ten bits on a GPU that can, or not."""
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed

    def spare_cores(self, spared: int) -> None:
        """Compute with so many threads less than the process was started with: none, and it has its own again."""
        torch.set_num_threads(max(1, self._threads - spared))

    def allow_wide_types(self, allowed: bool) -> bool:
        """torch has float64 in every process."""
        return False

    def require_onednn(self, asked: str) -> None:
        """--onednn is a setting of TensorFlow's; torch's kernels are as the process has them."""

    def trace(self, x: Given, dtype: str, visit: Visit, look: Look = NOTHING, tape: Any = None) -> None:
        x = inputs_of(x)
        call = self._call(x)
        model = self.model if tape is None else tape.model
        found = [on(model, entry) for entry in self.found]
        tracer = TorchTrace(model, found, DTYPES[dtype], visit, look, self.names, tape)
        self._programs = tracer.programs
        tensors = self._tensors_of(x, DTYPES[dtype])
        # Inference mode would not count in-place changes, so gradients are only switched off.
        quiet = torch.set_grad_enabled(tape is not None)
        mode = evaluating(model) if tape is None else nullcontext()
        with mode, uncompiled(model), default_dtype(DTYPES[dtype]), quiet, tracer:
            lies = dict.fromkeys(x.time_first, "time")
            started = {name: tracer.start(tensors[name], key, lies.get(name)) for name, key in x.keys.items()}
            tracer.finish(model(*filled(call.args, started), **filled(call.kwargs, started)))
        self.drawn = tracer.drawn
        _raise_on_foreign(tracer.used, model)

    def run(self, x: Given, dtype: str = "", training: bool = False) -> None:
        x = inputs_of(x)
        model = training_copy(self.model) if training else self.model
        own = DTYPES[dtype] if dtype else own_dtype(model)
        call, tensors = self._call(x), self._tensors_of(x, own)
        mode = nullcontext() if training else evaluating(model)
        kept = typed(model, own) if dtype else nullcontext()
        grad = torch.set_grad_enabled(training)
        with mode, uncompiled(model), default_dtype(own) if dtype else nullcontext(), kept, grad:
            outputs = [
                y
                for y in pytree.tree_leaves(model(*filled(call.args, tensors), **filled(call.kwargs, tensors)))
                if isinstance(y, torch.Tensor) and y.requires_grad
            ]
            if outputs:
                torch.stack([x.abs().sum() for x in outputs]).sum().backward()  # type: ignore[no-untyped-call]

    def reruns(self) -> TorchReruns:
        return TorchReruns(self._programs)

    def outputs(self, x: Given) -> dict[str, tuple[Array, int]]:
        """See Side; torch's classes are along axis 1."""
        found: dict[str, tuple[Array, int]] = {}

        def keep(step: Step) -> None:
            if is_output(step.key) and step.output.dtype.kind == "f":
                found[step.key] = step.output, 1

        self.trace(x, "float64", keep)
        return found

    def gradients(self) -> SideGradients:
        from .gradients import TorchGradients

        return TorchGradients(self)

    def environment(self) -> dict[str, Any]:
        tf32 = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
        wrapped = {"wrapped": self._wrapped} if self._wrapped else {}
        computed: dict[str, Any] = {"computed": self._computed} if self._computed else {}
        losses = [float(getattr(module, "label_smoothing", 0.0)) for module in self.model.modules()]
        computed |= {"label_smoothing": max(losses)} if any(losses) else {}
        return torch_settings(torch) | {"device": self.device, "tf32": tf32} | wrapped | computed | processor()


def _images(x: Inputs, found: list[Found]) -> frozenset[str]:
    """The inputs that have as many axes as the first layer with weights works on, if that is a convolution."""
    first = next((entry for entry in found if entry.kind.weights), None)
    if first is None or not first.kind.sums or first.kind.layout != "channels":
        return frozenset()
    rank = first.layer.weight.ndim
    return frozenset(name for name, array in x.arrays.items() if array.ndim == rank > 3)


def _in_pieces(layer: LayerInfo, held: Held) -> LayerInfo:
    """A layer whose weights the other side has in pieces: for what is compared, tensors outside of any layer."""
    kept = {name: shape for name, shape in layer.weights.items() if f"{layer.path}.{name}" not in held.left}
    return LayerInfo(layer.path, bare(True).name, kept, {})


def _raise_on_foreign(used: set[int], model: nn.Module) -> None:
    """Raise ParityError for parameters that the model computes with and does not have: no optimizer trains them."""
    own = used & {id(parameter) for parameter in model.parameters()}
    if used - own:
        raise ParityError(
            f"{len(used)} tensors are computed with, and {len(own)} are the torch model's: the others are of another "
            "model, or of layers in a plain list or dictionary; hold them in nn.ModuleList or nn.ModuleDict"
        )


def _randomizer(seed: int) -> Any:
    def hook(norm: Any, args: tuple[torch.Tensor, ...]) -> None:
        x = args[0].detach()
        drawn = {key: torch.from_numpy(value).float() for key, value in probe_norm(x.shape[1], seed).items()}
        square = x.square().mean()
        norm.running_mean.copy_(drawn["shift"] * square.sqrt())
        norm.running_var.copy_(drawn["spread"] * square)
        for name in ("weight", "bias"):  # either may be missing
            if getattr(norm, name) is not None:
                getattr(norm, name).copy_(drawn[name])

    return hook
