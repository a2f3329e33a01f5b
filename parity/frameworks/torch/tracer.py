"""Run a torch model and see every module, and every known function that a forward calls itself."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from parity.frameworks.known import Run
from parity.frameworks.made import Made
from parity.frameworks.patch import patch
from parity.frameworks.tracer import Trace
from parity.models.arrays import Array, is_coarse
from parity.models.kinds import FUNCTIONS, Kind, is_global, named
from parity.models.layers import Found
from parity.models.steps import Look, Names, Visit

from .calls import Made as HeardCall, Program
from .drawing import noise_of_function, noise_of_module
from .modes import typed
from .overridden import Overridden, Reached, is_split
from .queries import DTYPE, asks
from .recurrent import owner_of, run_through, takes
from .undrawn import undrawn
from .walk import torch_tensors
from .wide import in_float64, run_wide

CONSTANT = "computes with numbers that torch has in float32"


class TorchTrace(Trace):
    """Wraps the `forward` of every module, and listens to torch's functions, for as long as it is entered."""

    side = "torch"

    def __init__(
        self,
        model: nn.Module,
        found: list[Found],
        dtype: torch.dtype,
        visit: Visit,
        look: Look,
        names: Names,
        tape: Any = None,
    ) -> None:
        self.model, self.found, self.dtype = model, found, dtype
        self.buffers = {id(tensor) for tensor in model.buffers()}
        self.used: set[int] = set()  # parameters that are computed with
        self.overridden: list[Overridden] = []  # modules whose own forward runs, innermost last
        self.weights = {id(tensor) for _, tensor in torch_tensors(entry for entry in found if entry.kind.known)}
        self.programs: dict[str, Program] = {}
        self.heard: dict[int, tuple[Any, HeardCall]] = {}  # id -> (what recognises the tensor, how it was made)
        super().__init__(visit, look, names, tape, "channels", {path for path, _ in model.named_modules()})

    def __enter__(self) -> "TorchTrace":
        leaves = {id(owner_of(entry.layer)) for entry in self.found}
        inside = tuple(f"{path}." for path, _, _ in self.found if path)
        for path, module in self.model.named_modules():
            if id(module) not in leaves and not path.startswith(inside):
                self.stack.callback(patch(module, "forward", partial(self.enter, path, module.forward)))
        parts: dict[int, list[Found]] = {}
        for entry in self.found:
            parts.setdefault(id(owner_of(entry.layer)), []).append(entry)
        for entries in parts.values():
            owner = owner_of(entries[0].layer)
            cast = partial(self._cast, owner, owner.forward)
            run = self._run if owner is entries[0].layer else self._run_parts
            run = self._run_own if is_split(entries[0]) else run
            self.stack.callback(patch(owner, "forward", partial(run, entries, cast)))
        self.stack.enter_context(_Ear(self._heard))
        return self

    def _run(self, found: list[Found], forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.running:
            return forward(*args, **kwargs)
        if found[0].kind.draws:
            self.noise = noise_of_module(found[0], self.tensors(args))
        return self.layer(found[0].path, found[0].kind, forward, args, kwargs)

    def _run_own(self, found: list[Found], forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a module with a forward of its own: if its base's part is in it, that is the layer, and all else not."""
        if self.running or not self._has_base(found[0], forward, args, kwargs):
            return self._run(found, forward, *args, **kwargs)
        self.overridden.append(Overridden(found[0]))
        try:
            return self.enter(found[0].path, forward, *args, **kwargs)
        finally:
            self.overridden.pop()

    def _has_base(self, entry: Found, forward: Callable[..., Any], args: Any, kwargs: Any) -> bool:
        """Run a forward until it comes to its base's part, if it does, on copies: it may work in place, or count."""
        given = self.tensors((args, kwargs))
        args, kwargs = self.swapped((args, kwargs), {id(x): x.detach().clone() for x in given})
        before = [(buffer, buffer.clone()) for buffer in entry.layer.buffers()]
        self.overridden.append(Overridden(entry))
        try:
            with self.quiet(), torch.no_grad(), torch.random.fork_rng(devices=[]):
                forward(*args, **kwargs)
        except Reached:
            return True
        finally:
            self.overridden.pop()
            for buffer, value in before:
                buffer.data.copy_(value)
        return False

    def _of_base(self, name: str, parameters: set[int], function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What a module's own forward calls that is its base's part, which runs as the layer, or padding of that."""
        own = self.overridden[-1]
        if own.is_base(name, parameters):
            if self.running:
                raise Reached
            x, run = own.base(function, args, kwargs)
            return self.layer(own.entry.path, own.entry.kind, run, (x,), {})
        if self.running or not own.pads(name):
            return NotImplemented
        with self.quiet():
            return own.pad(function, *args, **kwargs)

    def _run_parts(self, found: list[Found], forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a module of several layers one after another; where that cannot be done, as one step."""
        owner = owner_of(found[0].layer)
        given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        x, states = given["input"], given.get("hx")
        if self.running or not takes(owner, x, states):
            return self._run(found, forward, *args, **kwargs)

        def layer(entry: Found, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
            return self.layer(entry.path, entry.kind, partial(self._cast, owner, run), args, {})

        return run_through(found, x, states, layer, self._swapped)

    def _swapped(self, x: torch.Tensor, layout: str) -> torch.Tensor:
        """Time and batch exchanged: where it is known which is which, the same tensor in other axes."""
        made = self.of(x)
        if made.layout == layout:  # it had them otherwise, and what it is now is not known
            run, path = partial(torch.transpose, dim0=0, dim1=1), self._path("transpose")
            other: torch.Tensor = self._merge(Kind("transpose"), path, run, (x,), {})
            return other
        with self.quiet():
            result = x.transpose(0, 1)
        self._remember(result, Made(made.key, layout, path=made.path, kind=made.kind, origins=made.origins))
        return result

    def _cast(self, module: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a module with its tensors in this run's dtype: a whole model in float64 would be twice its size."""
        if self.dtype == torch.float64 and self._has_constants(module):
            self.narrow = CONSTANT
        with typed(module, self.dtype):
            return forward(*args, **kwargs)

    def _has_constants(self, module: nn.Module) -> bool:
        """Whether a module has buffers that are no weights, with numbers that float32 has rounded."""
        own = (x for x in module.buffers() if id(x) not in self.weights and x.dtype == torch.float32)
        return any(is_coarse(x.detach().cpu().numpy()) for x in own)

    def _heard(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if asks(function):
            return function(*args, **kwargs)
        if function == DTYPE and self._is_held(args[0]):
            return self.dtype
        if self.dtype == torch.float64:
            function, args, kwargs = in_float64(function, args, kwargs)
        parameters = {id(x) for x in self.tensors((args, kwargs)) if isinstance(x, nn.Parameter)}
        self.used |= parameters
        args, kwargs = self._constants_cast(args), self._constants_cast(kwargs)
        name = getattr(function, "__name__", "glue").strip("_")
        if self.tape is not None:
            args, kwargs = undrawn(function, name, args, kwargs)
        made = self._of_base(name, parameters, function, args, kwargs) if self.overridden else NotImplemented
        if made is not NotImplemented:
            return made
        kind = FUNCTIONS.get(name)
        if self.running:
            return function(*args, **kwargs) if kind is not None else self._in_dtype(function, args, kwargs)
        if kind is None:
            return self._unknown(name, function, args, kwargs)
        if kind.draws and kind.idle:
            self.noise = noise_of_function(function, name, args, kwargs)
        if not (kind.squeezed or kind.to_one):
            return self.function(kind, function, args, kwargs)
        with self.quiet():  # a mean, or an adaptive pool, is a global pool if it leaves one number a channel
            output = function(*args, **kwargs)
        one = isinstance(output, torch.Tensor) and is_global(tuple(args[0].shape), tuple(output.shape))
        kind = named(kind.to_one) if one and kind.to_one else kind
        return self.function(kind, function, args, kwargs, known=one or not kind.squeezed)

    def _constants_cast(self, args: Any) -> Any:
        """Parameters and constants that a forward uses itself, outside of a layer, in this run's dtype."""
        wrong = {id(x): x.detach().to(self.dtype) for x in self.tensors(args) if self._is_held(x)}
        for cast in wrong.values():
            self._remember(cast, self._held())
        return self.swapped(args, wrong) if wrong else args

    def _held(self) -> Made:
        """Of what the model holds: no step has made it."""
        return Made(None, self.layout, origins=())

    def of(self, x: Any) -> Made:
        made = super().of(x)
        unknown = made.key is None and made.origins is None and not made.path
        return self._held() if unknown and (isinstance(x, nn.Parameter) or id(x) in self.buffers) else made

    def _is_held(self, x: torch.Tensor) -> bool:
        """Whether a tensor is a parameter, or a constant of the model's, of another dtype than this run's."""
        if not x.is_floating_point() or x.dtype == self.dtype:
            return False
        if isinstance(x, nn.Parameter) or id(x) in self.weights:
            return True
        constant = self.dtype == torch.float64 and x.dtype == torch.float32
        if constant and is_coarse(x.detach().cpu().numpy()):
            self.narrow = CONSTANT
        return constant or id(x) in self.buffers

    def _unknown(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What is no kind of ours: glue, if it makes a tensor that is not one already known."""
        with self.quiet():
            output = self._in_dtype(function, args, kwargs)
        known, made = self.tensors((args, kwargs)), self.tensors(output)
        if known and made and not (made[0] is known[0] and self.of(made[0]).key):
            self._merge(Kind(name), self._path(name), lambda *a, **k: output, (args, kwargs), {})
            for x in made:
                self.note_call(x, function, args, kwargs, output)
        return output

    def _in_dtype(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run a function, where torch has it in no float64 in float32."""
        output, lacks = run_wide(function, args, kwargs)
        self.narrow = lacks or self.narrow
        return output

    def note_call(self, x: Any, run: Run, args: Any, kwargs: Any, output: Any) -> None:
        if self.look.want:
            number = next((i for i, each in enumerate(self.tensors(output)) if each is x), 0)
            self.heard[id(x)] = self.mark(x), HeardCall(run, args, kwargs, number, self._where())

    def note_program(self, key: str, x: Any, made: Made, squeezed: bool = False) -> None:
        if key in self.look.want:
            array = partial(self._array, made=made, squeezed=squeezed)
            self.programs[key] = Program(x, self._how, array, lambda y: self.of(y).key)

    def _how(self, x: Any) -> HeardCall | None:
        mark, call = self.heard.get(id(x), (None, None))
        return call if call is not None and self.is_marked(mark, x) else None

    def _path(self, name: str) -> str:
        return f"{self.scopes[-1]}.{name}" if self.scopes[-1] else name

    def tensors(self, args: Any) -> list[Any]:
        return [x for x in pytree.tree_leaves(args) if isinstance(x, torch.Tensor)]

    def swapped(self, args: Any, new: dict[int, Any]) -> Any:
        return pytree.tree_map(lambda x: new.get(id(x), x), args)

    def mark(self, x: Any) -> Any:
        return weakref.ref(x), x._version

    def is_marked(self, mark: Any, x: Any) -> bool:
        return mark[0]() is x and bool(mark[1] == x._version)

    def to_array(self, x: Any, layout: str, squeezed: bool) -> Array:
        """A NumPy copy of (N, C, ...), channels last in memory: what it is compared with lies so."""
        x = x.detach()
        x = x.reshape(x.shape[:2]) if squeezed and x.shape[2:].numel() == 1 else x
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        x = x.transpose(0, 1) if layout == "time" and x.ndim > 1 else x
        if x.ndim < 3:
            return np.asarray(x.cpu().numpy().copy())
        last = x.movedim(1, -1).contiguous()  # a copy, unless the model itself runs channels last
        array = (last.clone() if last.data_ptr() == x.data_ptr() else last).cpu().numpy()
        return np.moveaxis(array, -1, 1)

    def to_tensor(self, array: Array, like: Any, layout: str) -> Any:
        array = array.swapaxes(0, 1) if layout == "time" and array.ndim > 1 else array
        x = torch.from_numpy(np.ascontiguousarray(array)).to(like.device, like.dtype)
        return x if x.ndim == like.ndim else x.reshape(like.shape)  # (N, C) for (N, C, 1, 1)

    def of_positions(self, array: Array) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array))

    @property
    def channels_last(self) -> bool:
        return False


class _Ear(TorchFunctionMode):
    """Hears every torch function that is called from outside another one."""

    def __init__(self, heard: Callable[..., Any]) -> None:
        super().__init__()
        self.heard = heard

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.heard(func, args, kwargs or {})
