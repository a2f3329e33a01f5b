"""Layers that run in training alone (a second head, a classifier halfway): told of an evaluation, judged in a step."""

from collections.abc import Iterator

from parity.errors import UnmatchedError, few
from parity.models.inputs import Inputs
from parity.models.layers import LayerInfo, owned
from parity.models.pieces import Held
from parity.models.steps import NOTHING, Look, Names, StepInfo
from parity.pairs.matching import Wiring, match_steps
from parity.pairs.pairing import pair
from parity.runners.recording import Recording
from parity.runners.runner import Runner

from .options import Options
from .outputs import introduced, without_lone_outputs
from .prepare import Layers, Prepared

Trained = tuple[Layers, Wiring, Look]


def resting(ready: Prepared) -> list[str]:
    """The layers with weights that ran on neither side. Raises UnmatchedError where the two have other weights."""
    ran = _ran([*ready.recording.steps, *ready.keras_steps])
    idle = [layer for layer in _with_weights(ready.torch_layers) if layer.path not in ran]
    theirs = {layer.path: layer.weights for layer in _with_weights(ready.keras_layers)}
    wrong = [layer.path for layer in idle if theirs.get(layer.path) != layer.weights]
    if wrong:
        raise UnmatchedError(
            f"layers that do not run: every layer with weights must, or have the same in both models, but {few(wrong)} "
            "did not on this input; remove what is not used, or give an input that reaches it",
            wrong,
            wrong,
        )
    return [layer.path for layer in idle]


def _with_weights(layers: list[LayerInfo]) -> list[LayerInfo]:
    return [layer for layer in owned(layers) if layer.weights]


def _ran(steps: list[StepInfo]) -> set[str]:
    return {step.path.partition("#")[0] for step in steps}


def told_of(paths: list[str], gradients: bool) -> Iterator[str]:
    """What a report says of them."""
    if paths:
        s, where = ("s" if len(paths) == 1 else ""), "compared in the training step alone"
        yield (
            f"{few(paths)} run{s} on neither side in evaluation mode: "
            + (where if gradients else "only their weights are known to be equal; --gradients compares what they do")
        )


def training_steps(torch: Runner, keras: Runner, x: Inputs, options: Options, held: Held) -> Trained:
    """The layers, the wiring and the look of a training step, whose steps are paired anew: it has more than one of
    evaluation. held: the way in which weights in pieces were found to lie.
    """
    layers = torch.rename(Names(), {}, {}).result(), keras.rename(Names(), {}, {}).result()
    ours = torch.trained_steps(x, NOTHING).result()
    x, options = introduced(keras, x, Recording(ours), options)
    pairing = pair(layers[0], ours, layers[1], keras.trained_steps(x, NOTHING).result(), options.name_map)
    pairing = pairing.held(held) if pairing.ways else pairing
    layers = (
        torch.rename(pairing.torch, {}, {}).result(),
        keras.rename(pairing.keras, pairing.layers, pairing.orders).result(),
    )
    steps = torch.trained_steps(x, NOTHING).result(), keras.trained_steps(x, NOTHING).result()
    wiring, alone = without_lone_outputs(match_steps(*steps), [*steps[0], *steps[1]])
    return layers, wiring, Look(wiring.watch, left_out=frozenset(alone))
