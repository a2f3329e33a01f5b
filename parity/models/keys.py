"""What is compared after a step, in the order in which it is made; and the optimizers' states under torch's names.

A Key is (what, name): ("rate", ""), ("loss", ""), ("gradient", "conv1.weight"), ("running_mean", "bn1.running_mean"),
("momentum_buffer", "conv1.weight"), ("weight", "conv1.weight"), ("iterations", ""). What a run that waits can be asked
besides: ("output", key) of the model, ("added", ""), what the model adds to its loss by itself, and ("applied",
"conv1.weight"), the gradient that the optimizer's rule got, clipped and summed up.
"""

from .kinds.norms import RUNNING
from .layers import LayerInfo
from .optimizers import NEEDS, OPTIMIZERS
from .recipe import Recipe

Key = tuple[str, str]
STATISTICS = tuple(name for name, _, _ in RUNNING)


def slots(recipe: Recipe) -> tuple[str, ...]:
    """The names of a parameter's optimizer state, torch's."""
    found = ((state.rstrip("?"), state.endswith("?")) for state in OPTIMIZERS[recipe.optimizer].states)
    return tuple(state for state, optional in found if not optional or getattr(recipe, NEEDS[state]))


SQUARES = ("exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum", "acc_delta")  # made of squared gradients
SUMS = ("exp_avg", "exp_inf", "grad_avg", "momentum_buffer")  # made of gradients


def is_statistic(name: str) -> bool:
    """Whether a tensor is a batch norm's running statistic."""
    return name.rpartition(".")[2] in STATISTICS


def role_of(name: str) -> str:
    """What a tensor is in a Key: a running statistic by its name, else "weight"."""
    return name.rpartition(".")[2] if is_statistic(name) else "weight"


def _statistics(names: list[str]) -> list[str]:
    return [name for name in names if is_statistic(name)]


def keys(layers: list[LayerInfo], recipe: Recipe) -> list[Key]:
    """All that is compared after a step."""
    tensors = [f"{layer.path}.{name}" for layer in layers for name in layer.weights]
    parameters = [name for name in tensors if not is_statistic(name)]
    if recipe.own_step:
        own = [("gradient", name) for name in parameters]
        return [("loss", ""), *own, *((role_of(name), name) for name in (*_statistics(tensors), *parameters))]
    result: list[Key] = [("rate", ""), ("loss", "")]
    result += [("gradient", name) for name in parameters]
    result += [(role_of(name), name) for name in _statistics(tensors)]
    result += [(slot, name) for slot in slots(recipe) for name in parameters]
    result += [("weight", name) for name in parameters]
    result += [("ema", name) for name in parameters if recipe.ema]
    return [*result, ("iterations", "")]
