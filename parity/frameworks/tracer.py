"""What both frameworks' tracers have in common: which step made a tensor, what its steps are called, when to show one.

Layers, functions of a known kind and the model's output are steps. What is joined by operators is glue, seen where it
goes into the next step. Layers that compute nothing, and moves of numbers that keep an image an image, are passed over.
"""

import math
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from parity.models.arrays import Array
from parity.models.kinds import Kind, move_to
from parity.models.source import Sources
from parity.models.steps import Expected, Look, Names, Step, Visit

from .alive import announce
from .drawing import Drawing
from .known import Run
from .made import Made, origins
from .orders import is_vector
from .outputs import as_shaped, given

TIMED = "time"  # the layout of a tensor that has its batch second, behind time; arrays have it first


def same(one: Any, other: Any) -> bool:
    """Whether two tensors have one shape."""
    return tuple(one.shape) == tuple(other.shape)


class Trace(Drawing):
    """One run of a model. A framework's subclass wraps its layers and functions so that they come through here."""

    def __init__(self, visit: Visit, look: Look, names: Names, tape: Any, layout: str, paths: set[str]) -> None:
        super().__init__()
        self.visit, self.look, self.names, self.tape = visit, look, names, tape
        self.layout, self.paths = layout, paths
        self.calls: dict[str, int] = {}
        self.scopes: list[str] = [""]  # paths of the containers that run, innermost last
        self.lines: dict[str, Sources] = {}  # that called each step
        self.note: str | None = None
        self.narrow: str | None = None  # what of the step that runs was in float32
        self.stack = ExitStack()

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()

    def start(self, x: Any, key: str = "input", layout: str | None = None) -> Any:
        """One of the model's inputs is nobody's glue. Returns what to call the model on."""
        timed = layout == TIMED
        made = Made(key, TIMED) if timed else self._fresh(key, x, self.layout if layout is None else layout)
        x = self._taught(key, x, None, made)
        self._remember(x, made)
        return x

    def finish(self, output: Any, expected: Expected | None = None) -> None:
        """The model's own outputs are the last steps: what is done after the last layer shows there.

        expected: the other side's outputs, by whose keys those are called that are the same.
        """
        for place, x in given(output, self.tensors, expected):
            if place.key in self.look.left_out:
                continue
            made = self.of(x)
            known = replace(made, since=None, view=self.names.views.get(place.key))  # it lies as the model gives it
            made = replace(known, order=lambda: None) if len(x.shape) == 2 else known
            codec = as_shaped(self._codec(made), place.shape)
            step = place.step(codec.array(x), made.key or "glue", origins([made]))
            step.raw = self._raw(x)
            step.called = made.called or self.lines.get(made.key or "", ())
            if made.key is None:
                step.narrow, step.maker, step.mixed = made.narrow, made.kind, made.mixed
                step.inputs = self._joined(made, place.key)
                self.note_program(place.key, x, made)
            array = self.visit(step)
            if self.tape is not None:
                self.tape.made(place.key, x, None if array is None else codec.like(array, x), codec)

    def layer(self, path: str, kind: Kind, run: Run, args: Any, kwargs: Any) -> Any:
        """Run a layer."""
        args, kwargs = self._gone_on_with(args), self._gone_on_with(kwargs)
        if kind.merges:
            return self._merge(kind, path, run, args, kwargs)
        return self._go(path, kind, run, args, kwargs, function=False)

    def function(self, kind: Kind, run: Run, args: Any, kwargs: Any, *, known: bool = True) -> Any:
        """Run a function that the model calls itself: a step of its own, or named glue."""
        args, kwargs = self._gone_on_with(args), self._gone_on_with(kwargs)
        scope = self.scopes[-1]
        path = f"{scope}.{kind.name}" if scope else kind.name
        if kind.merges or not known:
            return self._merge(kind, path, run, args, kwargs)
        return self._go(f"{path}()" if path in self.paths else path, kind, run, args, kwargs, function=True)

    def _go(self, path: str, kind: Kind, run: Run, args: Any, kwargs: Any, function: bool) -> Any:
        if kind.moves:
            return self._move(path, run, args, kwargs, function)
        if kind.idle and not kind.draws:
            return self._pass(run, args, kwargs)
        return self._step(path, kind, run, args, kwargs, function)

    def enter(self, path: str, run: Run, *args: Any, **kwargs: Any) -> Any:
        """Run a container: functions called meanwhile are called in it."""
        self.scopes.append(path)
        try:
            return run(*args, **kwargs)
        finally:
            self.scopes.pop()

    def _taught(self, key: str, x: Any, array: Array | None, made: Made, squeezed: bool = False) -> Any:
        """What to go on with: x, or what the visitor or the tape has for it."""
        taught = None if array is None else self._tensor(array, x, made)
        if self.tape is not None:
            return self.tape.made(key, x, taught, self._codec(made, squeezed))
        return x if taught is None else taught

    def _step(self, path: str, kind: Kind, run: Run, args: Any, kwargs: Any, function: bool, free: bool = False) -> Any:
        """Run and show. `free`: needs no partner."""
        self.calls[path] = self.calls.get(path, 0) + 1
        raw = path if self.calls[path] == 1 else f"{path}#{self.calls[path]}"
        name = self.names.aliases.get(raw, raw)
        noise, run = self._drawing(raw, self.tensors(args), run)
        if self.names.hides(raw):
            return self._unseen(raw, kind, path, run, args, kwargs)
        announce(path)
        called = self._where(path)
        sources = [self.of(x).key or "glue" for x in self.tensors(args)]
        args = self.swapped(args, {id(x): self._see(x, name, raw, i) for i, x in enumerate(self.tensors(args))})
        tensors = self.tensors(args)
        before = self.of(tensors[0]) if tensors else Made(None, self.layout)
        wanted = tensors if name in self.look.want else ()
        inputs = tuple(self._array(x, replace(self.of(x), since=None)) for x in wanted)
        args = self._fed(name, args)
        self.note = None
        with self.quiet():
            output = run(*args, **kwargs)
        narrow = self._narrowed([self.of(x) for x in tensors])
        shown, *others = self.tensors(output)
        made = replace(self._after(name, kind, before, shown, args, run, kwargs), view=self.names.views.get(name))
        made = self._in_columns(raw, name, made) if kind.sums else made
        step = Step(name, kind.name, self._array(shown, made, kind.squeezed), sources, inputs=inputs)
        step.function, step.free, step.note, step.raw = function, free or kind.idle, self.note, self._raw(shown)
        step.narrow, step.noise, step.called = narrow, noise, called
        self.lines[name] = called
        if function and name in self.look.want:
            self.note_call(shown, run, args, kwargs, output)
            self.note_program(name, shown, made, kind.squeezed)
        if (kind.flat or kind.along) and len(tensors[0].shape) == 2:
            order = before.order()
            step.order = None if order is None else order.compact()
        elif kind.ends == "image" and tensors and len(tensors[0].shape) == 2:
            step.order = self._of_vector(made, shown)
        new = self._taught(name, shown, self.visit(step), made, kind.squeezed)
        self._remember(new, made)
        for number, x in enumerate(others):
            self._remember(x, self._fresh(f"{name}[{number + 1}]", x, made.layout))
        return self.swapped(output, {id(shown): new})

    def _narrowed(self, inputs: list[Made]) -> str | None:
        """What was in float32 of what has just run, or of glue that went into it."""
        own, self.narrow = self.narrow, None
        return own or next((made.narrow for made in inputs if made.key is None and made.narrow), None)

    def _after(self, name: str, kind: Kind, before: Made, output: Any, args: Any, run: Run, kwargs: Any) -> Made:
        if before.layout == TIMED and not kind.moves and len(output.shape) > 2:
            return Made(name, TIMED)  # what works on its last axis leaves time and batch where they are
        if kind.moves:
            x = self.tensors(args)[0]
            grid = len(x.shape) == 2  # a vector becomes an image, or what the whole model works on
            return Made(name, self.layout if grid else before.layout, self._moved(before.order, x, run, args, kwargs))
        if kind.layout == "input" and not kind.weights:
            inputs = self.tensors(args)
            if (
                len(inputs) == 1
                and math.prod(inputs[0].shape) == math.prod(output.shape)
                and not same(inputs[0], output)
            ):
                return Made(name, before.layout, self._own_moved(name, before, inputs[0], output, run, args, kwargs))
            if kind.weighted or before.key is None or not inputs or not same(inputs[0], output):
                return self._fresh(name, output, before.layout)  # what changes the shape has new axes of its own
            return Made(name, before.layout, before.order, since=before.since)
        if kind.along and before.key is not None and len(output.shape) == 2:
            return Made(name, kind.layout, before.order)
        return self._fresh(name, output, before.layout if kind.layout == "input" else kind.layout)

    def _fed(self, name: str, args: Any) -> Any:
        """The arguments as the tape wants them fed."""
        if self.tape is None:
            return args
        fed = ((i, x, self._codec(self.of(x))) for i, x in enumerate(self.tensors(args)))
        return self.swapped(args, {id(x): self.tape.fed(f"{name}<{i}", x, codec) for i, x, codec in fed})

    def _see(self, x: Any, user: str, raw: str, number: int) -> Any:
        """A tensor that goes into a step, `raw` by its own name: seen, perhaps replaced, if it is glue or watched."""
        made, own = self.of(x), f"{raw}<{number}"
        feeds = self.names.aliases.get(own, f"{user}<{number}")
        if feeds not in self.look.watch and (made.key is not None or self.names.hides(own)):
            return x
        margin = self._margin_of(x)
        if margin is not None:
            return self._see_within(x, margin, user, raw, number)
        made = replace(made, view=self.names.views.get(feeds))
        parent = user.rpartition(".")[0]
        path = made.path or (f"{parent}.{made.kind}" if parent else made.kind)
        step = Step(path, made.kind, self._array(x, made), feeds=feeds, origins=origins([made]), raw=self._raw(x))
        if made.key is None:
            step.narrow, step.mixed, step.inputs = made.narrow, made.mixed, self._joined(made, feeds)
            self.note_program(feeds, x, made)
        step.called = made.called or self._where()
        new = self._taught(feeds, x, self.visit(step), made)
        seen, lies = self._fresh(feeds, x, made.layout), made.displaced(tuple(x.shape[1:]))
        if made.order() is None and lies is not None:  # it was moved, and what moved it has no name
            seen = replace(seen, order=lambda: replace(lies, origin=feeds), since=made.since, view=made.view)
        elif made.order() is not None:
            seen = replace(seen, order=made.order, since=made.since, view=made.view)
        for tensor in (x, new):  # what else works on the one that is not gone on with knows it too
            self._remember(tensor, seen)
        if made.key is None and self.tape is None and feeds not in self.look.watch:
            self._replace(x, new)
        return new

    def _see_within(self, x: Any, margin: tuple[Any, Run], user: str, raw: str, number: int) -> Any:
        """A padded tensor: what was padded is seen, and padded again where it is replaced."""
        before, pad = margin
        new = self._see(before, user, raw, number)
        if new is before:
            return x
        with self.quiet():
            padded = pad(new)
        self._remember(padded, self.of(new))
        return padded

    def _unseen(self, raw: str, kind: Kind, path: str, run: Run, args: Any, kwargs: Any) -> Any:
        """Run a step that is not to be shown: its output is a part of what comes after."""
        if kind.moves:
            return self._carried(run, args, kwargs)
        if kind.idle or raw in self.names.passed:
            output = self._pass(run, args, kwargs)
            if raw in self.names.passed:
                x = self.tensors(args)[0]
                self._keep_margin(x, output, lambda new: run(*self.swapped(args, {id(x): new}), **kwargs))
            return output
        return self._merge(kind, path, run, args, kwargs)

    def _pass(self, run: Run, args: Any, kwargs: Any) -> Any:
        """Run what computes nothing: its output is known as its input is."""
        tensors = self.tensors(args)
        with self.quiet():
            output = run(*args, **kwargs)
        for x in self.tensors(output):
            self._remember(x, self.of(tensors[0]))
        return output

    def _merge(self, kind: Kind, path: str, run: Run, args: Any, kwargs: Any) -> Any:
        """Run what joins tensors: its output is glue with a name."""
        known = [self.of(x) for x in self.tensors(args)]
        with self.quiet():
            output = run(*args, **kwargs)
        narrow, called = self._narrowed(known), self._where(path) if known else ()
        for x in self.tensors(output) if known else ():
            lead = next((made for made in known if made.key or made.origins != ()), known[0])
            layout = lead.layout if kind.layout == "input" or kind.merges else kind.layout
            layout = "equal" if layout == TIMED and x.ndim != self.tensors(args)[0].ndim else layout
            made = Made(None, layout, path=path, kind=kind.name, origins=origins(known), narrow=narrow)
            given = tuple(self.tensors((args, kwargs))) if self.look.want else ()
            self._remember(x, replace(made, mixed=any(made.mixes for made in known), called=called, inputs=given))
            self.note_call(x, run, args, kwargs, output)
        return output

    def _move(self, path: str, run: Run, args: Any, kwargs: Any, function: bool) -> Any:
        """Numbers only moved: shown where an image becomes a vector or a vector an image, else passed over."""
        tensors = self.tensors(args)
        with self.quiet():
            output = run(*args, **kwargs)
        results = self.tensors(output)
        if len(tensors) != 1 or len(results) != 1:
            return output
        x, (result,) = tensors[0], results
        if self.of(x).layout == TIMED:
            return self._out_of_time(output, path, run, args, kwargs)
        before, after = tuple(x.shape[1:]), tuple(result.shape[1:])
        flattens = len(before) > 1 == len(after) and not is_vector(before)
        if flattens or (len(before) == 1 < len(after) and not is_vector(after)):
            kind = move_to("vector" if flattens else "image")
            own = ".".join(filter(None, (self.scopes[-1], kind.name))) if function else path
            return self._step(own, kind, run, args, kwargs, function, free=True)
        return self._follow(output, run, args, kwargs)

    def _carried(self, run: Run, args: Any, kwargs: Any) -> Any:
        """Run a move that is not to be shown."""
        with self.quiet():
            output = run(*args, **kwargs)
        return self._follow(output, run, args, kwargs)
