"""The whole comparison of one target's training: float64 first, then the asked dtype, then the cause of a fault."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.causes.scene import Scene
from parity.causes.training import cause_of, drawn
from parity.checks.options import Progress
from parity.errors import TargetError
from parity.models.aims import chosen
from parity.models.attempts import attempt
from parity.models.layers import LayerInfo
from parity.models.probes import probe_input
from parity.models.recipe import Recipe
from parity.models.targets import Target
from parity.runners.runner import TrainingRunner
from parity.verdict.cause import Cause
from parity.verdict.in_training import noise_cause
from parity.verdict.training import Fault, Run, TrainingReport

from .building import Batches, Sides, built, with_ids
from .lockstep import LockStep, longest_sum
from .rules import matches

if TYPE_CHECKING:
    from parity.models.targets import Target
    from parity.verdict.training import TrainingReport


@dataclass(frozen=True)
class TrainingOptions:
    """dtype: beside float64, which always runs. weights: "copy" torch's into Keras, or "keep". nudged: runs a band.

    onednn: what was asked for: "on", "off" or "as-is".
    """

    dtype: str = "float32"
    weights: str = "copy"
    nudged: int = 4
    name_map: Any = None
    onednn: str = "as-is"


def compare_training(
    target: Target,
    torch: TrainingRunner,
    keras: TrainingRunner,
    recipe: Recipe,
    options: TrainingOptions,
    progress: Progress,
    planted: Recipe | None = None,
) -> TrainingReport:
    """Train both sides in lock-step. Raises ParityError where that cannot be done.

    planted: what Keras is given instead of the recipe, for tests.
    """
    sides = Sides(torch, keras, (recipe, planted or recipe))
    compared = _Comparison(sides, target, options, progress)
    report = compared.report()
    told = {"torch": torch.environment().result(), "keras": keras.environment().result()}
    environment = told | {"onednn": options.onednn}
    return replace(report, environment=environment)


class _Comparison:
    def __init__(self, sides: Sides, target: Target, options: TrainingOptions, progress: Progress) -> None:
        self.sides, self.target, self.options, self.progress = sides, target, options, progress
        self.corrected: dict[str, None] = {}  # Keras's own norms, whose running variance is told and corrected

    def report(self) -> TrainingReport:
        runs: list[Run] = []
        fault, cause = None, None
        for dtype in dict.fromkeys(("float64", self.options.dtype)):
            run, cause = self._run(dtype, 0 if dtype == "float64" else self.options.nudged)
            if dtype == "float64" and cause is None and next(run.faults(), None) and run.steps[-1].number > 1:
                # No step is wrong by itself: ask whether training magnifies rounding that far.
                run, cause = self._run(dtype, self.options.nudged)
            runs.append(run)
            fault = next(run.faults(), None)
            if fault is not None:
                break
        recipe = self.sides.recipe
        table = matches(recipe, self.options.dtype, tuple(self.corrected))
        return TrainingReport(
            self.target.name, recipe.to_json(), self.target.input_shape, table, tuple(runs), fault, cause
        )

    def _run(self, dtype: str, nudged: int) -> tuple[Run, Cause | None]:
        shape = self.target.input_shape
        self.progress(f"building both models in {dtype}", 0, 0)
        x = probe_input((2, *shape), self.sides.recipe.seed)
        options = self.options
        models = built(self.sides, self.target, dtype, x, options.weights, options.name_map, options.onednn)
        layers = models.layers
        recipes = [chosen(recipe, models.outputs, layers) for recipe in self.sides.recipes]
        self.sides = replace(self.sides, recipes=(recipes[0], recipes[1]))
        recipe = self.sides.recipe
        batches = Batches.drawn(recipe, shape, models.outputs)
        batches = replace(batches, x=with_ids(self.sides.torch, batches.x, recipe.seed))
        summed = longest_sum(layers, recipe.batch_size * int(np.prod(shape[1:])))
        lockstep = LockStep(self.sides, models, batches, dtype, nudged, summed)
        try:
            run = lockstep.run(self.progress)
        except BaseException:
            lockstep.stop()  # the other side waits after its step; both can then be given other models
            raise
        fault, cause = next(run.faults(), None), None
        try:
            if fault is not None and dtype == "float64":
                cause = self._explained(run, fault, layers, batches)
        finally:
            lockstep.stop()
        self.corrected |= lockstep.corrected
        first_loss = fault is not None and fault.what == "loss" and run.steps[-1].number == 1
        if first_loss and recipe.own_step:
            cause = next(map(noise_cause, models.drawn), cause)
        elif first_loss:
            asked = {"torch": self.sides.torch, "keras": self.sides.keras}
            first = batches.of(1, recipe)
            losses = {name: side.draws(recipe, first.x, first.y).result() for name, side in asked.items()}
            cause = drawn(losses) or next(map(noise_cause, models.drawn), cause)
        return run, cause

    def _explained(self, run: Run, fault: Fault, layers: list[LayerInfo], batches: Batches) -> Cause | None:
        step = run.steps[-1]
        recipe = self.sides.recipe
        truths = batches.of(step.number, recipe).y
        scene = Scene(self.sides.torch, self.sides.keras, recipe, layers, step, truths)
        return attempt(partial(cause_of, scene, fault, self.target.words), lambda _: None)


__all__ = ["TrainingOptions", "compare_training"]

SIDE = 64  # pixels of an image, where the variant is made for more: every layer trains, at a tenth of the time


def small(target: "Target") -> "Target":
    """The target with images of no more than 64 pixels a side."""
    channels, *size = target.input_shape
    return replace(target, input_shape=(channels, *(min(SIDE, pixels) for pixels in size)))


def train(
    target: "Target",
    recipe: Recipe,
    dtype: str = "float32",
    weights: str = "copy",
    runs: int = 4,
    name_map: Any = None,
    progress: Any = lambda text, done, total: None,
    onednn: str = "as-is",
) -> "TrainingReport":
    """Train the target's two models in lock-step, each in a process of its own.

    dtype: beside float64, which always runs. weights: "copy" or "keep". runs: nudged runs that span the dtype's band.
    name_map: pairs of names (`pairs.name_map.NameMap`). onednn: "on" or "off" for TensorFlow's kernels, or "as-is", as
    in your own process. Raises ParityError where that cannot be done.
    """
    from parity.runners.remote import both_frameworks

    if target.inputs or target.file:
        raise TargetError(
            "training needs one input, drawn batch by batch, and several, or those of a file, are given; give its "
            "shape with --input-shape, or compare one training step with parity.check --gradients"
        )
    with both_frameworks(onednn=onednn) as (torch, keras):
        options = TrainingOptions(dtype, weights, runs, name_map, onednn)
        return compare_training(target, torch, keras, recipe, options, progress)
