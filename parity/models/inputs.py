"""What a model is called on -> arrays by name, and the form of the call that holds them. No framework is imported.

A form is the call with a `Leaf` in place of every array: the entries of a tuple or list at its top are the arguments
by position, those of a dict by keyword; inside, tuples, lists and dicts nest, and None, numbers, truth values and text
stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.errors import ParityError

from .arrays import Array

INPUT = "input"
CONSTANTS = (type(None), bool, int, float, complex, str)


@dataclass(frozen=True)
class Leaf:
    """Where an array stands in a form: "ids", or inside of a container that is an argument "pair.0"."""

    name: str


@dataclass(frozen=True)
class Inputs:
    """The arrays of one call, the batch first, axes in torch's order, and how the call holds them.

    words: what torch calls the top entries of the form, "" for one without a name. aliases: what Keras calls an input,
    by torch's name, where the user says so. open: inputs of no stated range, which token ids replace where one is due.
    time_first: inputs that torch takes as (time, batch, ...); Keras, and a run's arrays, have the batch first.
    images: inputs of as many axes as torch's first layer with weights works on, which is a convolution.
    """

    arrays: dict[str, Array]
    form: Any
    words: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    open: frozenset[str] = frozenset()
    time_first: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.arrays)

    @property
    def keys(self) -> dict[str, str]:
        """What a run calls each input, by its name: a single one is "input"."""
        return {name: INPUT if len(self.arrays) == 1 else f"{INPUT}:{name}" for name in self.arrays}

    @property
    def first(self) -> Array:
        return next(iter(self.arrays.values()))

    def batch_first(self, name: str) -> Array:
        """An input as a run's arrays are, the batch first."""
        array = self.arrays[name]
        return np.ascontiguousarray(array.swapaxes(0, 1)) if name in self.time_first else array

    @property
    def batch(self) -> int:
        """How many samples there are, by the first array that has axes."""
        return next((len(array) for array in self.arrays.values() if array.ndim), 1)

    @property
    def entries(self) -> list[tuple[str, Any]]:
        """The form's top: (word, what stands there)."""
        if isinstance(self.form, dict):
            return list(self.form.items())
        return list(zip(self.words or ("",) * len(self.form), self.form, strict=True))

    def part(self, batch: slice) -> "Inputs":
        """Some samples of every array."""
        return replace(self, arrays={name: array[batch] for name, array in self.arrays.items()})

    def slices(self, most: int) -> Iterator["Inputs"]:
        """Parts of at most so many numbers; one whole where not all arrays have a batch of the same size."""
        if self.time_first or any(array.ndim == 0 or len(array) != self.batch for array in self.arrays.values()):
            yield self
            return
        size = max(1, most // max(1, sum(array[0].size for array in self.arrays.values())))
        for start in range(0, self.batch, size):
            yield self.part(slice(start, start + size))

    def with_arrays(self, arrays: Mapping[str, Array]) -> "Inputs":
        """The same call on other numbers."""
        return replace(self, arrays={name: arrays.get(name, array) for name, array in self.arrays.items()})

    def called(self, words: tuple[str, ...]) -> "Inputs":
        """The same with names for the arguments by position, and those by keyword in this order."""
        if isinstance(self.form, dict) and set(words) == set(self.form):
            form = {word: self.form[word] for word in words}
            return replace(self, form=form, arrays={leaf.name: self.arrays[leaf.name] for leaf in leaves(form)})
        if isinstance(self.form, dict) or len(words) != len(self.form):
            return self
        names: dict[str, str] = {}
        for number, (word, entry) in enumerate(zip(words, self.form, strict=True)):
            for leaf in leaves(entry):
                tail = leaf.name.removeprefix(str(number))
                names[leaf.name] = word + tail if word and tail[:1] in ("", ".") else leaf.name
        if len(set(names.values())) < len(names):
            return self
        return replace(
            self,
            arrays={names[name]: array for name, array in self.arrays.items()},
            form=filled(self.form, {old: Leaf(new) for old, new in names.items()}),
            words=words,
            open=frozenset(names[name] for name in self.open),
            time_first=frozenset(names[name] for name in self.time_first),
        )


Given = Array | Inputs  # an array is a call's only input


def inputs_of(x: Any) -> Inputs:
    """The inputs that `x` stands for: an array alone, or arrays in tuples (by position), dicts (by keyword), lists.

    Raises ParityError where there is no array in it, or an empty one.
    """
    if isinstance(x, Inputs):
        return x
    arrays: dict[str, Array] = {}
    if not isinstance(x, tuple | list | Mapping) or _is_numbers(x):
        arrays, form = {"0": array_of(x)}, (Leaf("0"),)
    else:
        form = _form(x, "", arrays)
    if not arrays:
        raise ParityError(f"x must hold at least one array, and {x!r:.80} holds none; give the models' input")
    for name, array in arrays.items():
        if 0 in array.shape:
            shape = " x ".join(map(str, array.shape))
            raise ParityError(f"input {name} must hold numbers, and is empty ({shape}); give at least one sample")
    return Inputs(arrays, form)


def _form(x: Any, path: str, arrays: dict[str, Array]) -> Any:
    def inside(name: Any, value: Any) -> Any:
        return _form(value, f"{path}.{name}" if path else str(name), arrays)

    if isinstance(x, Mapping):
        return {name: inside(name, value) for name, value in x.items()}
    if isinstance(x, tuple | list) and not (path and _is_numbers(x)):
        made = [inside(number, value) for number, value in enumerate(x)]
        return made if isinstance(x, list) else tuple(made)
    if isinstance(x, CONSTANTS):
        return x
    arrays[path] = array_of(x)
    return Leaf(path)


def _is_numbers(x: Any) -> bool:
    """Whether nested lists hold numbers alone: an array that was written out."""
    if isinstance(x, tuple | list):
        return bool(x) and all(map(_is_numbers, x))
    return isinstance(x, int | float)


def array_of(x: Any) -> Array:
    """NumPy's array of anybody's tensor; floats in float64. Raises ParityError for what is none."""
    if hasattr(x, "detach"):  # torch: NumPy has no bfloat16, and takes nothing from a device or a graph
        x = x.detach().cpu()
        x = x.double() if x.is_floating_point() else x
    try:
        array = np.asarray(x)
    except (TypeError, ValueError) as error:
        raise ParityError(f"an input must be an array, and is a {type(x).__name__} ({error}); convert it") from None
    if array.dtype.kind == "V" or np.issubdtype(array.dtype, np.floating):  # bfloat16 comes as a type of its own
        return array.astype(np.float64)
    if array.dtype.kind not in "biu":
        raise ParityError(
            f"an input must be an array of numbers or truth values, and is a {type(x).__name__} of {array.dtype}; "
            "convert it"
        )
    return array


def leaves(form: Any) -> Iterator[Leaf]:
    """Where the arrays stand, in order."""
    if isinstance(form, Leaf):
        yield form
    elif isinstance(form, dict | tuple | list):
        for entry in form.values() if isinstance(form, dict) else form:
            yield from leaves(entry)


def filled(form: Any, values: Mapping[str, Any]) -> Any:
    """The form with these in place of its leaves."""
    if isinstance(form, Leaf):
        return values[form.name]
    if isinstance(form, dict):
        return {name: filled(entry, values) for name, entry in form.items()}
    if isinstance(form, tuple | list):
        return type(form)(filled(entry, values) for entry in form)
    return form


def is_input(key: str) -> bool:
    """Whether a key names one of the model's inputs."""
    return key == INPUT or key.startswith(f"{INPUT}:")


def encoded(form: Any) -> Any:
    """A form as JSON has it."""
    if isinstance(form, Leaf):
        return {"leaf": form.name}
    if isinstance(form, dict):
        return {"dict": {name: encoded(entry) for name, entry in form.items()}}
    if isinstance(form, tuple | list):
        return {type(form).__name__: [encoded(entry) for entry in form]}
    return {"value": form}


def decoded(document: Any) -> Any:
    """`encoded` undone."""
    ((what, value),) = document.items()
    made: dict[str, Callable[[], Any]] = {
        "leaf": lambda: Leaf(value),
        "dict": lambda: {name: decoded(entry) for name, entry in value.items()},
        "tuple": lambda: tuple(map(decoded, value)),
        "list": lambda: list(map(decoded, value)),
        "value": lambda: value,
    }
    return made[what]()
