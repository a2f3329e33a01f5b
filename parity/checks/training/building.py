"""A target and a recipe go in; both models, built and paired and with the same weights, and the batches come out."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from parity.checks.copying import copy_weights
from parity.checks.outputs import outputs_of
from parity.checks.prepare import Layers, Prepared, named_alike
from parity.checks.ways import chosen as chosen_way
from parity.frameworks.outputs import name_of
from parity.models.aims import Outputs, common, truths
from parity.models.arrays import Array
from parity.models.inputs import inputs_of
from parity.models.layers import LayerInfo, check_shapes, shapes_of, without_spares
from parity.models.losses import Truths
from parity.models.probes import probe_input
from parity.models.recipe import Recipe
from parity.models.steps import NOTHING, Expected, StepInfo
from parity.models.targets import Target
from parity.pairs.matching import NAMES, raise_on_unknown
from parity.pairs.pairing import Pairing, raise_on_others, same_paths
from parity.runners.runner import TrainingRunner
from parity.verdict.in_training import of_steps
from parity.verdict.results import StaticDifference


@dataclass(frozen=True)
class Sides:
    """Both processes, and how each is to train: the same, unless a fault is planted."""

    torch: TrainingRunner
    keras: TrainingRunner
    recipes: tuple[Recipe, Recipe]

    @property
    def recipe(self) -> Recipe:
        return self.recipes[0]


@dataclass(frozen=True)
class Batches:
    """x (E * N, C, ...) in torch's order and targets y of each output (E * N, ...): an epoch of E batches of N."""

    x: Array
    y: Truths

    @classmethod
    def drawn(cls, recipe: Recipe, shape: tuple[int, ...], outputs: Outputs) -> "Batches":
        """Standard normal inputs, and the targets that the loss wants."""
        count = min(recipe.epoch_steps, recipe.steps) * recipe.batch_size
        return cls(probe_input((count, *shape), recipe.seed), truths(recipe, outputs, count))

    def of(self, step: int, recipe: Recipe) -> "Batches":
        """The batch of a step, the first being 1."""
        start = (step - 1) % recipe.epoch_steps * recipe.batch_size
        batch = slice(start, start + recipe.batch_size)
        return Batches(self.x[batch], {key: truth.of(batch) for key, truth in self.y.items()})


@dataclass(frozen=True)
class Built:
    """Both models, paired: torch's layers with weights, the outputs of both, Keras's norms that keep a biased variance.

    biased: by the name of the running variance, how many numbers of one sample it is of, and how much of the old one a
    step forgets. drawn: in what the two sides draw otherwise.
    """

    layers: list[LayerInfo]
    outputs: Outputs
    biased: dict[str, tuple[int, float]]
    drawn: tuple[StaticDifference, ...] = ()


def built(
    sides: Sides,
    target: Target,
    dtype: str,
    x: Array,
    weights: str = "copy",
    name_map: Any = None,
    onednn: str = "as-is",
) -> Built:
    """Build both models in `dtype` with the same weights, paired as for a check by one run of each on x (N, C, ...).

    Raises ParityError where they have not the same layers.
    """
    seed = sides.recipe.seed
    building = sides.torch.build(target.torch, seed, dtype), sides.keras.build(target.keras, seed, dtype)
    layers = building[0].result(), building[1].result()
    sides.keras.require_onednn(onednn).result()
    x = with_ids(sides.torch, x, seed)
    layers = layers[0], sides.keras.meet(inputs_of(x)).result()
    raise_on_unknown([side.unknown_weights().result() for side in (sides.torch, sides.keras)], NAMES)
    if weights == "copy":
        sides.torch.randomize(x, seed).result()
    if not same_paths(*layers):
        raise_on_others(*layers)  # before Keras runs on what may not even fit it
    ours = sides.torch.prepare(x, "float64").result()
    sides.keras.expect(Expected(tuple((s.key, name_of(s.path), s.shape) for s in outputs_of(ours)))).result()
    steps = ours, sides.keras.prepare(x, "float64").result()
    layers, pairing = named_alike(sides.torch, sides.keras, layers, steps, name_map, True, weights == "copy")
    if weights == "copy" and len(pairing.trials) > 1:
        layers, pairing = _by_values(sides, x, layers, steps[1], pairing)
    if weights == "copy":
        first, second = map(shapes_of, without_spares(*layers))
        check_shapes(first, second, NAMES)
        sides.keras.load(sides.torch.put_weights().result()).result()
    outputs = common(sides.torch.outputs(x).result(), sides.keras.outputs(x).result())
    drawn = of_steps(*steps, pairing.found)
    return Built([layer for layer in layers[0] if layer.weights], outputs, _biased(layers[1], steps[0]), drawn)


def _by_values(
    sides: Sides, x: Array, layers: Layers, steps: list[StepInfo], pairing: Pairing
) -> tuple[Layers, Pairing]:
    """Of the ways in which weights can lie in Keras the one in which both compute the same."""
    recording = sides.torch.record(inputs_of(x), "float64", NOTHING, True).result()
    copy = partial(copy_weights, sides.torch, sides.keras)
    ready = chosen_way(sides.torch, sides.keras, Prepared(recording, steps, *layers, pairing, copy=copy), inputs_of(x))
    return (ready.torch_layers, ready.keras_layers), ready.pairing


def _biased(layers: list[LayerInfo], steps: list[StepInfo]) -> dict[str, tuple[int, float]]:
    """Of Keras's layers, by torch's steps; one that runs more than once is left to be judged as it is."""
    times = Counter(step.path.partition("#")[0] for step in steps)
    shapes = {step.path: step.shape for step in steps if times[step.path] == 1}
    return {
        f"{layer.path}.running_var": (math.prod(shapes[layer.path][2:]), float(layer.static["momentum"]))
        for layer in layers
        if layer.biased and layer.path in shapes
    }


def with_ids(torch: TrainingRunner, x: Array, seed: int) -> Array:
    """x, or, for a model that embeds its input, token ids of x's shape."""
    given = inputs_of(x)
    return torch.fitted(replace(given, open=frozenset(given.names)), seed).result().first
