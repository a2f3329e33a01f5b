"""The Python interface: models that are already in memory, compared in this process."""

from dataclasses import replace
from typing import Any

from parity.errors import ParityError, TargetError
from parity.frameworks.build import side_of
from parity.frameworks.side import Side
from parity.models.inputs import Inputs, inputs_of
from parity.models.kinds import named
from parity.models.layers import LayerInfo, check_shapes, shapes_of, without_spares
from parity.models.recipe import asked_loss
from parity.pairs.matching import raise_on_unknown, raise_on_unmatched
from parity.pairs.pairing import pair
from parity.runners.local import LocalRunner
from parity.runners.recording import Shelf

from .copy import Copy
from .copying import rewritten
from .forward import compare_sides
from .options import Options
from .report import Report
from .sources import SIDES

DTYPES = ("float32", "float64", "bfloat16", "float16")


def check_models(
    torch_model: Any,
    keras_model: Any,
    x: Any,
    *,
    dtype: str,
    weights: str,
    gradients: bool = False,
    step: dict[str, Any] | None = None,
    onednn: str = "as-is",
    mend: str = "keras",
) -> Report:
    """See `parity.check`. step: its loss and targets."""
    step = step or {}
    if weights not in ("copy", "keep"):
        raise ParityError(f"weights must be 'copy' or 'keep', and is {weights!r}; choose one")
    if dtype not in DTYPES:
        raise ParityError(f"dtype must be one of {', '.join(DTYPES)}, and is {dtype!r}; choose one")
    if mend not in SIDES:
        raise ParityError(f"mend must be 'keras' or 'torch', the side that is the copy, and is {mend!r}; choose one")
    inputs = inputs_of(x)
    shelf = Shelf()
    models = torch_model, keras_model
    torch, keras = (LocalRunner(side_of(model), shelf, type(model).__name__) for model in models)
    if (torch.framework, keras.framework) != ("torch", "keras"):
        raise TargetError("check takes a torch model and then a Keras model, and got them otherwise; exchange them")
    name = f"{type(torch_model).__name__} and {type(keras_model).__name__}"
    loss = step.get("loss")
    given = dict(zip(("torch_loss", "keras_loss"), loss, strict=True)) if isinstance(loss, tuple) else {"loss": loss}
    recipe = asked_loss(gradients, 0, targets=step.get("targets"), **given)
    options = Options(dtype, inputs.batch, weights=weights, gradients=gradients, loss=recipe, onednn=onednn)
    options = replace(options, copy=Copy(mend))
    return compare_sides(name, inputs, torch, keras, options, lambda text, done, total: None)


def _give_names(torch: Side, keras: Side, x: Inputs) -> None:
    """Call Keras's layers by torch's names, which one run of each shows."""
    x = torch.fitted(x, 0)
    keras.meet(x)
    runners = [LocalRunner(side, Shelf(), type(side.model).__name__) for side in (torch, keras)]
    steps = [runner.prepare(x, "float64").result() for runner in runners]
    pairing = pair(torch.layers(), steps[0], keras.layers(), steps[1])
    keras.rename(pairing.keras, pairing.layers, pairing.orders)


def copy_model_weights(source: Any, destination: Any, x: Any = None, filled: bool = False) -> None:
    """See `parity.copy_weights`. filled: give what the source lacks and a neutral number stands for that number."""
    ours, theirs = side_of(source), side_of(destination)
    names = ours.framework, theirs.framework
    raise_on_unknown([ours.unknown_weights(), theirs.unknown_weights()], names)
    if x is None or set(names) != {"torch", "keras"}:
        raise_on_unmatched(ours.layers(), theirs.layers(), names)
    else:
        _give_names(*((ours, theirs) if names[0] == "torch" else (theirs, ours)), inputs_of(x))
    mine, yours = without_spares(ours.layers(), theirs.layers())
    held = dict(ours.weights())
    pairs = (mine, yours) if filled else (_recurrent(mine), _recurrent(yours))
    summed = rewritten(*pairs, held.__getitem__, [])
    kept = {name: shape for name, shape in shapes_of(mine).items() if name not in summed.left}
    given = kept | {name: array.shape for name, array in summed.arrays.items()}
    tied = {f"{layer.path}.{name}" for layer in yours for name in layer.tied} if filled else set()
    check_shapes(
        given, {name: shape for name, shape in shapes_of(yours).items() if name in given or name not in tied}, names
    )
    for name in kept:
        theirs.load(name, summed.arrays.get(name, held[name]))
    for name in summed.arrays.keys() - kept.keys():
        theirs.load(name, summed.arrays[name])


def _recurrent(layers: list[LayerInfo]) -> list[LayerInfo]:
    """Those whose frameworks have not as many biases: what is one is the sum of what is two."""
    return [layer for layer in layers if named(layer.kind).recurs]
