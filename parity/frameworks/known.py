"""A tensor of either framework's -> what a run knows of it, and the array that it is in torch's axes, and back."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from parity.models.arrays import CHANNELS, Array
from parity.models.source import Sources
from parity.models.steps import Look, Names

from .made import Made, origins
from .orders import Order, canonical, fresh, in_columns, moved, restored, settled, unsettled
from .side import Codec
from .source import Places, maker, places, written

Run = Callable[..., Any]
Lies = Callable[[], Order | None]  # where numbers lie, computed when it is asked for


class Known:
    """The tensors of one run. A framework's subclass says what a tensor is."""

    look: Look
    names: Names
    layout: str  # of the model's input

    def __init__(self) -> None:
        self.made: dict[int, tuple[Any, Made]] = {}  # id -> (what recognises the tensor, what is known of it)
        self.running = 0  # what a layer calls is its own affair
        self.replaced: dict[int, tuple[Any, Any]] = {}  # id of glue -> (what recognises it, what is in its place)
        # id of a tensor that a layer told as padding gave -> (what recognises it, what was padded, how)
        self.margins: dict[int, tuple[Any, Any, Run]] = {}

    # What a framework must say.

    def tensors(self, args: Any) -> list[Any]:
        raise NotImplementedError

    def swapped(self, args: Any, new: dict[int, Any]) -> Any:
        """The arguments with tensors exchanged, by id."""
        raise NotImplementedError

    def mark(self, x: Any) -> Any:
        """What recognises this very tensor, unchanged."""
        raise NotImplementedError

    def is_marked(self, mark: Any, x: Any) -> bool:
        raise NotImplementedError

    def to_array(self, x: Any, layout: str, squeezed: bool) -> Array:
        """(N, C, ...), on the host."""
        raise NotImplementedError

    def to_tensor(self, array: Array, like: Any, layout: str) -> Any:
        raise NotImplementedError

    def of_positions(self, array: Array) -> Any:
        """Whole numbers as a tensor, axes as they are."""
        raise NotImplementedError

    @property
    def channels_last(self) -> bool:
        raise NotImplementedError

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """What runs in here is nobody's step."""
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def _where(self, path: str = "") -> Sources:
        """The lines of the user's that run now; of a graph that was built before, those that have built this part."""
        return written(places(None, 2) or self.joined(path) or maker(2))

    def joined(self, path: str) -> Places:
        """Where a layer was put into a graph, if the framework has such."""
        return ()

    def note_call(self, x: Any, run: Run, args: Any, kwargs: Any, output: Any) -> None:
        """Hear how a tensor was made that no layer gave; what can be run again keeps it."""

    def note_program(self, key: str, x: Any, made: Made, squeezed: bool = False) -> None:
        """Hear that a wanted step shows this tensor."""

    def of(self, x: Any) -> Made:
        """What is known of a tensor: of an unknown one, that it is glue."""
        mark, made = self.made.get(id(x), (None, None))
        return made if made is not None and self.is_marked(mark, x) else Made(None, self.layout)

    def _keep_margin(self, x: Any, output: Any, run: Run) -> None:
        """Note what a padding layer was given, where that may be shown as an input: it is, without its margin."""
        if self.look.watch or self.of(x).key is None:
            self.margins[id(output)] = self.mark(output), x, run

    def _margin_of(self, x: Any) -> tuple[Any, Run] | None:
        """What a tensor was before a layer padded it that is told as the padding of its user, and how it was padded."""
        mark, before, run = self.margins.get(id(x), (None, None, None))
        return (before, run) if run is not None and self.is_marked(mark, x) else None

    def _joined(self, made: Made, key: str) -> tuple[Array, ...]:
        """What glue was made of, where a step of that key is wanted."""
        return tuple(self._array(x, replace(self.of(x), since=None)) for x in made.inputs if key in self.look.want)

    def _replace(self, x: Any, new: Any) -> None:
        """Note that the run goes on with another tensor than the one that the model's own code holds."""
        if new is not x:
            self.replaced[id(x)] = self.mark(x), new

    def _gone_on_with(self, args: Any) -> Any:
        """The arguments with what the run goes on with, where the model works once more on what was replaced."""
        found = {
            id(x): new
            for x in (self.tensors(args) if self.replaced else ())
            for mark, new in [self.replaced.get(id(x), (None, None))]
            if new is not None and self.is_marked(mark, x)
        }
        return self.swapped(args, found) if found else args

    def _remember(self, x: Any, made: Made) -> None:
        self.made[id(x)] = (self.mark(x), made)

    def _fresh(self, key: str | None, x: Any, layout: str, shape: tuple[int, ...] | None = None) -> Made:
        channels = CHANNELS[layout] - 1 if self.channels_last and layout in CHANNELS else None
        sample = tuple(x.shape[1:]) if shape is None else shape
        return Made(key, layout, cache(partial(fresh, str(key), sample, channels)))

    def _raw(self, x: Any) -> Array | None:
        with self.quiet():
            return self.to_array(x, "equal", False) if self.look.raw else None

    def _array(self, x: Any, made: Made, squeezed: bool = False) -> Array:
        if made.view is not None:
            with self.quiet():
                return made.view.seen(self.to_array(x, "equal", False))
        order = made.displaced(tuple(x.shape[1:]))
        with self.quiet():
            if order is not None:
                return settled(self.to_array(x, "equal", False), order)
            array = self.to_array(x, made.layout, squeezed)
            return canonical(array, made.order() if array.ndim == 2 else None)

    def _tensor(self, array: Array, x: Any, made: Made) -> Any:
        if array.size != math.prod(x.shape) and array.ndim != len(x.shape):
            return x  # the other side's is another kind of tensor, which has been noted: this run goes on with its own
        if made.view is not None:
            with self.quiet():
                return self.to_tensor(made.view.put_back(array, tuple(x.shape)), x, "equal")
        order = made.displaced(tuple(x.shape[1:]))
        with self.quiet():
            if order is not None and array.size == math.prod(x.shape):
                return self.to_tensor(unsettled(array, order), x, "equal")
            new = self.to_tensor(restored(array, made.order() if array.ndim == 2 else None), x, made.layout)
        shapes = tuple(new.shape), tuple(x.shape)
        return x if shapes[0] != shapes[1] and sorted(shapes[0]) == sorted(shapes[1]) else new  # axes misread

    def _codec(self, made: Made, squeezed: bool = False) -> Codec:
        return Codec(lambda x: self._array(x, made, squeezed), lambda array, x: self._tensor(array, x, made))

    def _in_columns(self, raw: str, name: str, made: Made) -> Made:
        """The vector that a layer gives, where its numbers lie otherwise than torch's: known to be so from here on."""
        numbers = self.names.columns.get(raw.partition("#")[0])
        return made if numbers is None else replace(made, order=cache(partial(in_columns, name, numbers)))

    def _of_vector(self, made: Made, image: Any) -> tuple[str, tuple[int, ...]] | None:
        """Where the numbers of an image, in torch's axes, lay in the vector that it was made of, as plain data."""
        order = made.order()
        if order is None or len(order.shape) != 1 or order.index.shape != tuple(image.shape[1:]):
            return None
        index = np.moveaxis(order.index, -1, 0) if self.channels_last and made.layout == "channels" else order.index
        return order.origin, tuple(index.reshape(-1).tolist())

    def _own_moved(self, name: str, before: Made, x: Any, output: Any, run: Run, args: Any, kwargs: Any) -> Lies:
        """The order after a layer of the model's own that gives as many numbers: its input's if it but moves them."""
        fresh_one = self._fresh(name, output, before.layout).order
        carried = self._moved(before.order, x, run, args, kwargs)

        def order() -> Order | None:
            with suppress(Exception):  # it need not take positions for numbers
                found = carried()
                return fresh_one() if found is None else found
            return fresh_one()

        return cache(order)

    def _moved(self, before: Lies, x: Any, run: Run, args: Any, kwargs: Any) -> Lies:
        """The order after a move, computed when it is asked for; the tensor itself is not kept for that."""
        if len(x.shape) == 0:
            return lambda: None  # one number has no order
        place, batch = object(), int(x.shape[0])
        slots = tuple(place if argument is x else argument for argument in args)

        def run_on(positions: Array) -> Array:
            tensor = self.of_positions(positions)
            with self.quiet():
                return self.to_array(run(*(tensor if s is place else s for s in slots), **kwargs), "equal", False)

        def order() -> Order | None:
            known = before()
            return None if known is None else moved(known, batch, run_on)

        return cache(order)

    def _follow(self, output: Any, run: Run, args: Any, kwargs: Any) -> Any:
        """The output of a move, of which is then known where its numbers lay."""
        x, result = self.tensors(args)[0], self.tensors(output)[0]
        made, vector = self.of(x), len(x.shape) == 2  # a vector has no axes: an image made of it is shown in its own
        new = self._fresh(made.key, result if vector else x, made.layout).order
        since = new if made.since is None or vector else made.since
        orders = [self._moved(known, x, run, args, kwargs) for known in (made.order, since)]
        self._remember(result, replace(made, order=orders[0], since=since if vector else orders[1], view=None))
        self.note_call(result, run, args, kwargs, output)
        return output

    def _out_of_time(self, output: Any, path: str, run: Run, args: Any, kwargs: Any) -> Any:
        """The output of a move of what has time first: if it puts the batch first, the same tensor in other axes."""
        x, result = self.tensors(args)[0], self.tensors(output)[0]
        made, shape = self.of(x), tuple(x.shape)
        places = np.arange(math.prod(shape)).reshape(shape)
        tensor = self.of_positions(places)
        with self.quiet():
            found = self.to_array(run(*self.swapped(args, {id(x): tensor}), **kwargs), "equal", False)
        if np.array_equal(found, places.swapaxes(0, 1)):
            self._remember(result, replace(made, layout="equal"))
        else:
            name = path.rpartition(".")[2]
            self._remember(result, Made(None, "equal", path=path, kind=name, origins=origins([made])))
        return output
