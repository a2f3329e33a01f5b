"""A tensor that a forward has made with functions -> the calls that made it, as data, and what edits make of them."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from torch.overrides import get_testing_overrides
from torch.utils import _pytree as pytree

from parity.models.arrays import Array
from parity.models.calls import Call, Edit
from parity.models.source import Sources

PLAIN = (bool, int, float, str, slice, type(Ellipsis), type(None))
IN_PLACE = re.compile(r"__i(?!nvert|ndex|nt)\w+__")
MOST = 160  # calls of one step: a few blocks of a network that the other side has as one


class Made(NamedTuple):
    """How a tensor was made: a function and its arguments, tensors among them; and the lines that called it."""

    function: Callable[..., Any]
    args: Any
    kwargs: Any
    output: Any
    called: Sources = ()


class Program:
    """The calls behind one tensor, back to what layers gave. made: how a tensor was made, None of what is a leaf.

    array: a tensor as the step shows it. step: the key of the step that a tensor is, if it is one.
    """

    def __init__(
        self,
        x: Any,
        made: Callable[[Any], Made | None],
        array: Callable[[Any], Array],
        step: Callable[[Any], str | None] = lambda x: None,
    ) -> None:
        self.last, self.array, self.step = x, array, step
        self.order: list[tuple[Any, Made]] = []
        self._walk(x, made, set())

    def _walk(self, x: Any, made: Callable[[Any], Made | None], seen: set[int]) -> None:
        found = None if id(x) in seen or len(self.order) >= MOST else made(x)
        seen.add(id(x))
        if found is None:
            return
        for each in _tensors((found.args, found.kwargs)):
            self._walk(each, made, seen)
        self.order.append((x, found))

    def calls(self) -> tuple[Call, ...]:
        """Every call, in order of execution."""
        return tuple(
            Call(
                _name(made.function),
                tuple(_plain(made)),
                len(_tensors((made.args, made.kwargs))),
                made.called,
                tuple(_names(made.function)),
                self.step(x) or "",
                tuple(filter(None, map(self.step, _tensors((made.args, made.kwargs))))),
            )
            for x, made in self.order
        )

    def run(self, edits: Sequence[Edit]) -> Array:
        """What the program makes with these changes. Raises what torch raises."""
        changed = {edit.call: edit for edit in edits}
        new: dict[int, Any] = {}
        with torch.no_grad():
            for number, (x, made) in enumerate(self.order):
                if number in changed or any(id(each) in new for each in _tensors((made.args, made.kwargs))):
                    args, kwargs = (pytree.tree_map(lambda y: new.get(id(y), y), a) for a in (made.args, made.kwargs))
                    given = made._replace(args=args, kwargs=kwargs)
                    new[id(x)] = _edited(given, changed[number]) if number in changed else _called(given)
        return self.array(new.get(id(self.last), self.last))


def _called(made: Made) -> Any:
    """Of several tensors the one that was gone on with. ValueError for what works in place: its input is gone."""
    name = getattr(made.function, "__name__", "")
    if (name.endswith("_") and not name.endswith("__")) or IN_PLACE.fullmatch(name) or made.kwargs.get("inplace"):
        raise ValueError(f"{name} works in place")
    output = made.function(*made.args, **made.kwargs)
    return output if isinstance(output, torch.Tensor) else _tensors(output)[made.output]


def _edited(made: Made, edit: Edit) -> Any:
    tensors = _tensors((made.args, made.kwargs))
    if edit.what == "skip":
        return tensors[edit.value]
    if edit.what == "then":
        return function_named(edit.name)(_called(made))
    if edit.what == "reduce":
        return function_named(edit.name)(tensors[0], edit.value)
    if edit.what == "given":
        new = {id(tensors[edit.value]): function_named(edit.name)(tensors[edit.value])}
        args, kwargs = (pytree.tree_map(lambda y: new.get(id(y), y), a) for a in (made.args, made.kwargs))
        return _called(made._replace(args=args, kwargs=kwargs))
    if edit.what == "take":
        return tensors[0].select(int(edit.name), edit.value)
    if edit.what == "function":
        return function_named(edit.name)(*tensors[: edit.value], **_kept(made, edit.name))
    if edit.what == "swap":
        turned = {id(tensors[0]): tensors[1], id(tensors[1]): tensors[0]}
        args, kwargs = (pytree.tree_map(lambda y: turned.get(id(y), y), a) for a in (made.args, made.kwargs))
        return _called(made._replace(args=args, kwargs=kwargs))
    if edit.what == "mask":
        return _called(_masked(made, edit.name, edit.value))
    return _called(_with(made, edit.name, edit.value))


def _with(made: Made, name: str, value: Any) -> Made:
    """The call with another value of an argument."""
    names = [*_names(made.function)] or [f"argument {number}" for number in range(len(made.args))]
    if name in names[: len(made.args)]:
        at = names.index(name)
        return made._replace(args=(*made.args[:at], value, *made.args[at + 1 :]))
    return made._replace(kwargs=made.kwargs | {name: value})


def _masked(made: Made, name: str, value: str) -> Made:
    """An attention with another mask. Raises ValueError where it has none that this could be of."""
    given = dict(zip(_names(made.function), made.args, strict=False)) | made.kwargs
    mask, heads = given.get(name), made.function is functional.multi_head_attention_forward
    if (mask is None) != (value == "causal") or (value == "causal" and (name != "attn_mask" or given.get("is_causal"))):
        raise ValueError(f"no {value} mask for {name}")
    if value == "none":
        new = None
    elif value == "opposite":
        new = ~mask if mask.dtype == torch.bool else torch.where(mask == 0, -math.inf, 0.0).to(mask.dtype)
    else:
        query, key = made.args[:2]
        sizes = (len(query), len(key)) if heads else (query.shape[-2], key.shape[-2])
        kept = torch.ones(sizes, dtype=torch.bool, device=query.device).tril()
        new = ~kept if heads else kept  # one function's mask says what is left out, the other's what is kept
    return _with(_with(made, name, new), "is_causal", False)


def _kept(made: Made, name: str) -> dict[str, Any]:
    """The arguments that another function takes too."""
    taken = set(_names(function_named(name)))
    return {key: value for key, value in _plain(made) if key in taken and value is not None}


def function_named(name: str) -> Callable[..., Any]:
    """torch's function of a name."""
    found: Callable[..., Any] = getattr(functional, name, None) or getattr(torch, name)
    return found


def _plain(made: Made) -> Iterator[tuple[str, Any]]:
    """The arguments that are plain data, by name; defaults too, where they are known."""
    parameters = _names(made.function) or {f"argument {number}": None for number in range(len(made.args))}
    given = dict(zip(parameters, made.args, strict=False)) | made.kwargs
    for name, value in (parameters | given).items():
        each = value if isinstance(value, tuple | list) else (value,)
        if name != "out" and all(isinstance(one, PLAIN) for one in each) and (value is not None or name in given):
            yield name, value


@cache
def _names(function: Callable[..., Any]) -> dict[str, Any]:
    """A function's arguments and their defaults, as torch's own tests call it; None stands for one without."""
    try:
        parameters = signature(_stated().get(function, function)).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {each.name: None if each.default is each.empty else each.default for each in parameters}


@cache
def _stated() -> dict[Any, Any]:
    return dict(get_testing_overrides())


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "function").strip("_")


def _tensors(args: Any) -> list[Any]:
    return [x for x in pytree.tree_leaves(args) if isinstance(x, torch.Tensor)]
