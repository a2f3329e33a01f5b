"""How to train: optimizer, schedule, loss and data, as data that both frameworks' sides are given. Pure."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from parity.errors import ParityError

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "adadelta")
SCHEDULES = ("constant", "step", "exponential", "cosine", "plateau", "cyclic")
DTYPES = ("float64", "float32", "mixed_bfloat16")
RATES = {"adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3, "adagrad": 1e-3, "adadelta": 1.0}  # of the others: 1e-2
EPSILONS = {"adam": 1e-8, "adamw": 1e-8, "rmsprop": 1e-8, "adagrad": 1e-10, "adadelta": 1e-6}  # torch's own
RHO = {"rmsprop": 0.99, "adadelta": 0.9}  # torch's own
WARM_START = 0.1  # of the rate, at the first step of a warm-up


class RecipeError(ParityError):
    """Settings that do not go together, or that no training can have."""


@dataclass(frozen=True)
class Recipe:
    """One training run. What is None takes the optimizer's usual value (`made`).

    decay: "coupled" adds weight_decay * w to the gradient (L2); "decoupled" shrinks w by lr * weight_decay
    (Loshchilov and Hutter 2019). decay_on: "all" parameters, or "kernels", those of more than one axis.
    schedule: per step; "plateau" per epoch of `epoch_steps` batches, which every epoch repeats.
    every, gamma: "step" multiplies the rate by gamma every so many steps, "exponential" at each, "plateau" when the
    epoch's loss has not sunk by `threshold` for more than `patience` epochs. "cosine" ends at a hundredth of the rate;
    "cyclic" rises from a tenth of it and falls again within 2 * every steps.
    warmup: steps over which the rate first rises, in a straight line from a tenth.
    """

    optimizer: str = "sgd"
    lr: float = 1e-2
    momentum: float = 0.0
    nesterov: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    rho: float = 0.99
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decay: str = "coupled"
    decay_on: str = "all"
    schedule: str = "constant"
    every: int = 5
    gamma: float = 0.5
    patience: int = 0
    threshold: float = 1e-4
    warmup: int = 0
    label_smoothing: float = 0.0
    steps: int = 20
    epoch_steps: int = 5
    batch_size: int = 8
    seed: int = 0

    def decays(self, shape: tuple[int, ...]) -> bool:
        """Whether weight decay is for a parameter of this shape (torch's)."""
        return self.weight_decay > 0 and (self.decay_on == "all" or len(shape) > 1)

    def rate(self, step: int) -> float:
        """The learning rate of step 0, 1, ..., but for "plateau", which the losses decide."""
        if step < self.warmup:
            return self.lr * (WARM_START + (1 - WARM_START) * step / self.warmup)
        return self.lr * self._factor(step - self.warmup)

    def _factor(self, step: int) -> float:
        if self.schedule == "step":
            return float(self.gamma ** (step // self.every))
        if self.schedule == "exponential":
            return float(self.gamma**step)
        if self.schedule == "cosine":
            done = min(step / self.cosine_steps, 1.0)
            return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "cyclic":
            return 0.1 + 0.9 * (1 - abs(step / self.every % 2 - 1))
        return 1.0

    @property
    def cosine_steps(self) -> int:
        """Over how many steps a cosine schedule falls: all that the warm-up leaves."""
        return max(1, self.steps - self.warmup)

    def to_json(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self)


def made(name: str, **given: Any) -> Recipe:
    """The recipe of an optimizer's name with its usual settings; what is None in `given` counts as not given.

    Raises RecipeError for what does not go together.
    """
    _one_of("--optimizer", name, OPTIMIZERS)
    usual: dict[str, Any] = {"lr": RATES.get(name, 1e-2), "epsilon": EPSILONS.get(name, 0.0)}
    usual["rho"] = RHO.get(name, 0.0)
    usual["optimizer"] = "sgd" if name in ("momentum", "nesterov") else name
    usual["momentum"] = 0.9 if name in ("momentum", "nesterov") else 0.0
    usual["nesterov"] = name == "nesterov"
    usual["decay"] = "decoupled" if name == "adamw" else "coupled"
    if name == "adamw":
        usual["weight_decay"] = 1e-2
    if given.get("schedule") == "exponential":
        usual["gamma"] = 0.9
    recipe = Recipe(**usual | {key: value for key, value in given.items() if value is not None})
    _check(recipe)
    return recipe


def _check(recipe: Recipe) -> None:
    _one_of("--schedule", recipe.schedule, SCHEDULES)
    _one_of("--decay", recipe.decay, ("coupled", "decoupled"))
    _one_of("--decay-on", recipe.decay_on, ("all", "kernels"))
    for name in ("steps", "epoch_steps", "batch_size", "every"):
        if getattr(recipe, name) < 1:
            raise RecipeError(f"--{name.replace('_', '-')} must be at least 1, and is {getattr(recipe, name)}")
    for name in ("lr", "weight_decay", "epsilon"):
        value = getattr(recipe, name)
        if not 0 <= value < math.inf:
            raise RecipeError(f"--{name.replace('_', '-')} must be a number from 0 up, and is {value}; give another")
    for name in ("momentum", "beta1", "beta2", "label_smoothing"):
        value = getattr(recipe, name)
        if not 0 <= value < 1:
            raise RecipeError(f"--{name.replace('_', '-')} must be from 0 to below 1, and is {value}; give another")
    if recipe.momentum and recipe.optimizer not in ("sgd", "rmsprop"):
        raise RecipeError(f"--momentum is for sgd and rmsprop, and {recipe.optimizer} has none; leave it out")
    if recipe.nesterov and not recipe.momentum:
        raise RecipeError("--optimizer nesterov needs a --momentum above 0, and it is 0; give one, such as 0.9")
    if recipe.optimizer == "adamw" and recipe.decay == "coupled":
        raise RecipeError("--decay coupled is Adam's, and adamw is the decoupled one; use --optimizer adam")
    if recipe.warmup < 0 or (recipe.warmup and recipe.schedule == "plateau"):
        raise RecipeError(
            "--warmup must be 0 steps with --schedule plateau (neither framework warms it up), and 0 or more "
            f"otherwise, and is {recipe.warmup}; change one of the two"
        )


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RecipeError(f"{name} must be one of {', '.join(allowed)}, and is {value!r}; choose one")
