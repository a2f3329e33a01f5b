"""Both frameworks' processes, step beside step: one asks, compares and judges; see recipe.py, names.py, result.py."""

from dataclasses import replace
from math import nan

import numpy as np

from parity.causes.stepping import tensor_of
from parity.checks.options import Progress
from parity.models.arrays import Array
from parity.models.keys import SQUARES, STATISTICS, SUMS, Key, keys, slots
from parity.models.layers import LayerInfo, shapes_of
from parity.models.recipe import Recipe
from parity.runners.recording import Place
from parity.runners.runner import Distances
from parity.verdict.difference import ROUNDING
from parity.verdict.training import LINE, Band, Number, Run, Step

from .building import Batches, Built, Sides

SIZED = ("bias", *STATISTICS)  # tensors whose scale is not their own: see _floor, and TorchRun._added


class LockStep:
    """One run of both sides in `dtype`. At the end, or at the first fault, `stop` it; until then sides can be asked."""

    def __init__(self, sides: Sides, models: Built, batches: Batches, dtype: str, nudged: int, summed: int) -> None:
        layers = models.layers
        self.sides, self.layers, self.dtype, self.nudged = sides, layers, dtype, nudged
        self.biased = models.biased
        self.unbiased: dict[str, Array] = {}  # of this step, what Keras's own norms would have kept by torch's rule
        self.corrected: dict[str, None] = {}  # the norms that this was done for, in order
        self.keys = keys(layers, sides.recipe)
        extra: list[Key] = [("size", f"{layer.path}.{n}") for layer in layers for n in SIZED if n in layer.weights]
        self.torch_keys = [*extra, *self.keys, *([("band", "")] if nudged else [])]
        self.band = _band(dtype, nudged, summed) if nudged else None
        self.radius: dict[str, float] = {}  # of the band, by kind of number
        # Of the parameters whose gradient is nothing but rounding, those whose optimizer divides by its size.
        self.undetermined: set[str] = set()
        units = [1.0] * nudged + ([self.band.factor] * nudged if self.band and self.band.factor > 1 else [])
        self.made = (
            sides.torch.train(sides.recipes[0], batches.x, batches.y, self.torch_keys, units),
            sides.keras.train(sides.recipes[1], batches.x, batches.y, self.keys),
        )

    def run(self, progress: Progress) -> Run:
        """All steps, or those up to the first fault: both sides then wait to be asked."""
        steps: list[Step] = []
        for number in range(1, self.sides.recipe.steps + 1):
            progress(f"{self.dtype} step {number}", number, self.sides.recipe.steps)
            steps.append(self._step(number))
            if not self.sides.recipe.own_step:
                self._hold_to_rule(steps[-1])
            if next(Run(self.dtype, tuple(steps[-1:]), self.band).faults(), None):
                break
            self._level()
            if number < self.sides.recipe.steps:
                self.sides.torch.go_on()
                self.sides.keras.go_on()
        return Run(self.dtype, tuple(steps), self.band)

    def stop(self) -> None:
        """End the run on both sides."""
        for stopped in (self.sides.torch.stop(), self.sides.keras.stop()):
            stopped.result()

    def _step(self, number: int) -> Step:
        torch, keras = self.sides.torch, self.sides.keras
        sizes: dict[str, float] = {}
        totals: dict[str, _Total] = {}
        pairs: dict[str, tuple[float, float]] = {}
        found, others = next(self.made[0]), iter(next(self.made[1]))
        for (what, name), made in zip(self.torch_keys, found, strict=True):
            if not isinstance(made, Place):
                self._spread(made, totals)
                continue
            ours = torch.shelf.view(made)
            if what == "size":
                sizes[name] = float(ours[0])
            else:
                theirs = self._by_torchs_rule(what, name, ours, keras.shelf.view(_place(next(others))))
                if self._is_undetermined(what, name, ours, theirs, sizes.get(name, 0.0)):
                    continue
                if what == "gradient" and not (_was_seen(ours) and _was_seen(theirs)):
                    continue
                size = sizes.get(name, 0.0)
                scale = size if what in STATISTICS else self._scale(what, ours, size)
                totals.setdefault(what, _Total()).add(ours, theirs, name, scale)
                if what in ("rate", "loss"):
                    pairs[what] = float(ours[0]), float(theirs[0])
        numbers = {what: self._number(what, total) for what, total in totals.items()}
        if self.sides.recipe.own_step:
            numbers = self._without_clipping(numbers)
        elif self.band is not None:
            allowed = rate_allowed(self.sides.recipe, number, pairs["rate"][0], self.band.rounding)
            numbers["rate"] = replace(numbers["rate"], allowed=max(allowed, numbers["rate"].allowed))
        return Step(number, pairs.get("rate", (nan, nan)), pairs["loss"], numbers)

    def _by_torchs_rule(self, what: str, name: str, ours: Array, theirs: Array) -> Array:
        """Keras's number, but of its own norms' running variance what it would be by torch's rule, if that is nearer.

        Keras adds m v to (1 - m) s, with the batch's biased variance v; torch adds m v n / (n - 1).
        """
        if what != "running_var" or name not in self.biased:
            return theirs
        positions, momentum = self.biased[name]
        count = positions * self.sides.recipe.batch_size
        kept = (1 - momentum) * self.sides.keras.before((what, name)).result()
        unbiased = kept + (theirs - kept) * (count / max(1, count - 1))
        if not np.abs(unbiased - ours).max(initial=0.0) < np.abs(theirs - ours).max(initial=0.0):
            return theirs
        self.unbiased[name] = unbiased
        self.corrected[name.rpartition(".")[0]] = None
        return np.asarray(unbiased)

    def _is_undetermined(self, what: str, name: str, ours: Array, theirs: Array, size: float) -> bool:
        """Whether this is a step of a parameter that has no gradient: a bias before a norm, whose terms cancel.

        What is left of them is rounding. Adam and its like divide it by its own size, and so make of it any step up to
        the rate. Each side's step is then held to the rule (`_hold_to_rule`), with that side's own rounding. A band
        needs no such care: the nudged runs' biases wander as far.
        """
        recipe = self.sides.recipe
        if self.band is not None or (recipe.optimizer == "sgd" and not recipe.own_step):
            return False
        if what == "gradient" and size:
            greatest = max(np.abs(ours).max(initial=0.0), np.abs(theirs).max(initial=0.0))
            if greatest <= LINE * size:
                self.undetermined.add(name)
        return what in self._wandering() and name in self.undetermined

    def _wandering(self) -> tuple[str, ...]:
        """What follows from a parameter's undetermined step."""
        recipe = self.sides.recipe
        return (*slots(recipe), "weight", *(["ema"] if recipe.ema else []))

    def _hold_to_rule(self, step: Step) -> None:
        """Judge the steps of undetermined parameters by the rule."""
        shapes = shapes_of(self.layers)
        for name in self.undetermined:
            for process, rate in zip((self.sides.torch, self.sides.keras), step.rate, strict=True):
                made = tensor_of(process, self.sides.recipe, name, shapes[name], rate, step.number)
                step.numbers["weight"] = step.numbers["weight"].or_worse(made.gap(self.sides.recipe), name)

    def _level(self) -> None:
        """Let Keras go on with torch's undetermined parameters, and with its own variances by torch's rule.

        Their difference would wander into what follows.
        """
        for name in self.undetermined:
            for slot in self._wandering():
                self.sides.keras.write((slot, name), self.sides.torch.read((slot, name)).result()).result()
        self.undetermined.clear()
        for name, variance in self.unbiased.items():
            self.sides.keras.write(("running_var", name), variance).result()
        self.unbiased.clear()

    def _spread(self, found: Distances, totals: dict[str, "_Total"]) -> None:
        """Note the nudged runs' distances: the first `nudged` of one unit, the others of the band's factor."""
        for number, run in enumerate(found):
            for what, (square, length) in run.items():
                if what not in totals:
                    continue  # gradients of a user's own step that were not seen in Keras
                distance = (square / length if length else square) ** 0.5
                (totals[what].band if number < self.nudged else totals[what].wide).append(distance)

    def _number(self, what: str, total: "_Total") -> Number:
        allowed = LINE
        if self.band is not None:
            self.radius[what] = max(self.radius.get(what, 0.0), *total.band, *total.wide)
            allow = self.band.allowed_of_one if what == "loss" else self.band.allowed
            allowed = allow(self.radius[what])
        distance = (total.square / total.length if total.length else total.square) ** 0.5
        return Number(total.error, total.path, distance, allowed, tuple(total.band), tuple(total.wide))

    def _without_clipping(self, numbers: dict[str, Number]) -> dict[str, Number]:
        """Without gradients that differ where weights do not: one side clips before its optimizer, one in it."""
        passes = {w: (n.error if self.band is None else n.distance) <= n.allowed for w, n in numbers.items()}
        agree = all(passed for what, passed in passes.items() if what != "gradient")
        return {w: n for w, n in numbers.items() if w != "gradient" or not agree or passes[w]}

    def _scale(self, what: str, ours: Array, size: float) -> float:
        return max(float(np.abs(ours).max(initial=0.0)), self._floor(what, size))

    def _floor(self, what: str, size: float) -> float:
        """The least scale of a tensor whose gradient is a sum of terms of `size` that may cancel (see `_watch_biases`).

        Where the state divides by the gradient's own size, rounding is magnified by at most 1 / epsilon.
        """
        recipe = self.sides.recipe
        if what in SQUARES:
            return size * size
        if what == "momentum_buffer" and recipe.optimizer == "rmsprop":
            return size / recipe.epsilon if recipe.epsilon else size
        return size if what in ("gradient", *SUMS) else 0.0


def _was_seen(gradient: Array) -> bool:
    """Whether a gradient of a user's own step is known: one that is not has no number."""
    return not (gradient.size and np.isnan(gradient).all())


def _place(made: Place | Distances) -> Place:
    assert isinstance(made, Place), "Keras has no nudged runs"
    return made


class _Total:
    """One kind of number, tensor by tensor."""

    def __init__(self) -> None:
        self.error, self.path = 0.0, ""
        self.square = self.length = 0.0
        self.band: list[float] = []
        self.wide: list[float] = []

    def add(self, ours: Array, theirs: Array, name: str, scale: float) -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(theirs - ours)
            greatest = float(apart.max(initial=0.0))
            self.square += float(np.square(apart).sum())
            self.length += float(np.square(ours).sum())
        error = 0.0 if greatest == 0 else greatest / scale if scale else float("inf")
        if not error <= self.error or not self.path:  # a NaN is the worst of all, and stays it
            self.error, self.path = (error, name) if self.error == self.error else (self.error, self.path)


def _band(dtype: str, runs: int, summed: int) -> Band:
    factor = 1.0 if dtype.startswith("mixed") else max(1.0, (summed / 12) ** 0.5)
    return Band(runs, factor, summed, ROUNDING["float32" if dtype.startswith("mixed") else dtype])


def rate_allowed(recipe: Recipe, step: int, rate: float, rounding: float) -> float:
    """How far a rate may lie from torch's, as a share of it, where Keras computes its schedule in a dtype that rounds.

    No nudge of the weights shows that, and torch's schedules are in float64. A cosine rounds about ten numbers of the
    peak's size, of which each moves the rate by at most one rounding of the peak; a power, a product of an epoch's
    factors, or a place in a cycle adds one a step (Higham 2002, lemma 3.1). The float64 run judges the schedule itself.
    """
    if recipe.schedule == "constant" and not recipe.warmup:
        return 0.0
    return (10 + step) * rounding * recipe.lr / rate if rate > 0 else 0.0


def longest_sum(layers: list[LayerInfo], positions: int) -> int:
    """The most terms that the network adds up: a kernel's inputs or outputs, or the positions of a batch."""
    sizes = [positions]
    for layer in layers:
        shape = layer.weights.get("weight", ())
        if len(shape) > 1:
            sizes += [int(np.prod(shape[1:])), int(np.prod(shape)) // shape[1]]
    return max(sizes)
