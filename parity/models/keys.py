"""What is compared after a step, in the order in which it is made; and the optimizers' states under torch's names.

A Key is (what, name): ("rate", ""), ("loss", ""), ("gradient", "conv1.weight"), ("running_mean", "bn1.running_mean"),
("momentum_buffer", "conv1.weight"), ("weight", "conv1.weight"), ("iterations", "").
"""

from .kinds.norms import RUNNING
from .layers import LayerInfo
from .recipe import Recipe

Key = tuple[str, str]
STATISTICS = tuple(name for name, _, _ in RUNNING)


def slots(recipe: Recipe) -> tuple[str, ...]:
    """The names of a parameter's optimizer state, torch's."""
    if recipe.optimizer == "sgd":
        return ("momentum_buffer",) if recipe.momentum else ()
    if recipe.optimizer == "rmsprop":
        return ("square_avg", "momentum_buffer") if recipe.momentum else ("square_avg",)
    return {"adagrad": ("sum",), "adadelta": ("square_avg", "acc_delta")}.get(recipe.optimizer, ADAM)


ADAM = ("exp_avg", "exp_avg_sq")
SQUARES = ("exp_avg_sq", "square_avg", "sum", "acc_delta")  # made of squared gradients


def is_statistic(name: str) -> bool:
    """Whether a tensor is a batch norm's running statistic."""
    return name.rpartition(".")[2] in STATISTICS


def role_of(name: str) -> str:
    """What a tensor is in a Key: a running statistic by its name, else "weight"."""
    return name.rpartition(".")[2] if is_statistic(name) else "weight"


def keys(layers: list[LayerInfo], recipe: Recipe) -> list[Key]:
    """All that is compared after a step."""
    tensors = [f"{layer.path}.{name}" for layer in layers for name in layer.weights]
    parameters = [name for name in tensors if not is_statistic(name)]
    result: list[Key] = [("rate", ""), ("loss", "")]
    result += [("gradient", name) for name in parameters]
    result += [(name.rpartition(".")[2], name) for name in tensors if is_statistic(name)]
    result += [(slot, name) for slot in slots(recipe) for name in parameters]
    result += [("weight", name) for name in parameters]
    return [*result, ("iterations", "")]
