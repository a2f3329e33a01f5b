"""How to train: optimizer, schedule, loss and data, as data that both frameworks' sides are given. Pure."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from parity.errors import ParityError

from .losses import LOSSES, OF_LABELS, TARGETS, is_own
from .optimizers import ONE_CYCLE_END, ONE_CYCLE_RISE, ONE_CYCLE_START, OPTIMIZERS, SCHEDULES, VARIANTS
from .own_step import check_own_step

DTYPES = ("float64", "float32", "mixed_bfloat16")
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
    epoch's loss has not sunk by `threshold` for more than `patience` epochs. "multistep" multiplies at each of the
    `milestones`, "polynomial" falls to 0 by `power`. "cosine" ends at a hundredth of the rate, and "restarts" starts
    anew every so many steps; "cyclic" rises from a tenth of it and falls again within 2 * every steps, "onecycle" rises
    to it and falls once.
    warmup: steps over which the rate first rises, in a straight line from a tenth.
    loss: a row of losses.py, or "package.module:function"; "" takes what fits the outputs. torch_loss, keras_loss: one
    function a side. targets: of such a function, the kind that it is drawn. class_weights: of labels. ignore_label: one
    that does not count. sample_weights: whether every sample has one. delta, margin, focal_...: of their losses.
    clip_value, clip_norm, clip_global: of each number of a gradient, of each parameter's norm, of the norm of all.
    torch_step, keras_step: "package.module:function" of a user's own whole training step, its optimizer in it.
    l1, l2: penalties c * sum(|w|) and c * sum(w^2) of the loss, of what `decay_on` names. ema: of the weights' running
    mean, how much of the old it keeps. accumulate: batches of an update, each of which is a step.
    """

    optimizer: str = "sgd"
    lr: float = 1e-2
    momentum: float = 0.0
    nesterov: bool = False
    amsgrad: bool = False
    centered: bool = False
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
    milestones: tuple[int, ...] = ()
    power: float = 1.0
    clip_value: float = 0.0
    clip_norm: float = 0.0
    clip_global: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    ema: float = 0.0
    accumulate: int = 1
    label_smoothing: float = 0.0
    loss: Any = ""
    torch_loss: Any = ""
    keras_loss: Any = ""
    targets: str = ""
    torch_step: str = ""
    keras_step: str = ""
    class_weights: tuple[float, ...] = ()
    ignore_label: int | None = None
    sample_weights: bool = False
    delta: float = 1.0
    margin: float = 1.0
    focal_gamma: float = 2.0
    focal_alpha: float = 0.25
    steps: int = 20
    epoch_steps: int = 5
    batch_size: int = 8
    seed: int = 0

    def decays(self, shape: tuple[int, ...]) -> bool:
        """Whether weight decay is for a parameter of this shape (torch's)."""
        return self.weight_decay > 0 and (self.decay_on == "all" or len(shape) > 1)

    def penalises(self, shape: tuple[int, ...]) -> bool:
        """Whether a parameter of this shape (torch's) has a penalty in the loss."""
        return bool(self.l1 or self.l2) and (self.decay_on == "all" or len(shape) > 1)

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
        if self.schedule == "multistep":
            return float(self.gamma ** sum(step >= milestone for milestone in self.falls))
        if self.schedule == "polynomial":
            return float((1 - min(step / self.cosine_steps, 1.0)) ** self.power)
        if self.schedule == "restarts":
            return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step % self.every) / self.every))
        if self.schedule == "onecycle":
            return self._one_cycle(step)
        if self.schedule == "cyclic":
            return 0.1 + 0.9 * (1 - abs(step / self.every % 2 - 1))
        return 1.0

    def _one_cycle(self, step: int) -> float:
        """Smith and Topin 2018, with cosines: torch's OneCycleLR."""
        first, last = ONE_CYCLE_RISE * self.cosine_steps - 1, self.cosine_steps - 1
        low, end = 1 / ONE_CYCLE_START, 1 / (ONE_CYCLE_START * ONE_CYCLE_END)
        if step <= first:
            return low + (1 - low) / 2 * (1 - math.cos(math.pi * step / first))
        return end + (1 - end) / 2 * (1 + math.cos(math.pi * (step - first) / (last - first)))

    @property
    def falls(self) -> tuple[int, ...]:
        """The steps at which "multistep" lowers the rate: at the half and three quarters of all that there are."""
        return self.milestones or tuple(sorted({max(1, self.cosine_steps * n // 4) for n in (2, 3)}))

    @property
    def cosine_steps(self) -> int:
        """Over how many steps a cosine schedule falls: all that the warm-up leaves."""
        return max(1, self.steps - self.warmup)

    @property
    def own_loss(self) -> bool:
        """Whether the loss is a user's own function, on either side."""
        return bool(self.torch_loss) or is_own(self.loss) or self.own_step

    @property
    def own_step(self) -> bool:
        """Whether both sides take steps of their user's own."""
        return bool(self.torch_step)

    def to_json(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self)


def made(name: str, **given: Any) -> Recipe:
    """The recipe of an optimizer's name with its usual settings; what is None in `given` counts as not given.

    Raises RecipeError for what does not go together.
    """
    check_own_step(name, given)
    _one_of("--optimizer", name, (*OPTIMIZERS, *VARIANTS))
    own, settings = VARIANTS.get(name, (name, {}))
    row = OPTIMIZERS[own]
    usual: dict[str, Any] = {"optimizer": own, "lr": 1e-3, "epsilon": 1e-8, "rho": 0.0, **row.usual, **settings}
    usual["decay"] = "decoupled" if row.decay == "decoupled" else "coupled"
    if given.get("schedule") == "exponential":
        usual["gamma"] = 0.9
    recipe = Recipe(**usual | {key: value for key, value in given.items() if value is not None})
    _check(recipe)
    check_loss(recipe)
    return recipe


def asked_loss(stepping: Any, seed: int, **given: Any) -> Recipe | None:
    """The recipe of a single step's loss, if one is asked for. Raises RecipeError, also where no step is compared."""
    if not any(given.values()):
        return None
    if not stepping:
        raise RecipeError("a loss is of a training step, and none is compared; add --gradients (gradients=True)")
    return made("sgd", seed=seed, **given)


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
    if recipe.momentum and recipe.optimizer not in ("sgd", "rmsprop", "muon"):
        raise RecipeError(f"--momentum is for sgd and rmsprop, and {recipe.optimizer} has none; leave it out")
    if recipe.nesterov and not recipe.momentum:
        raise RecipeError("--optimizer nesterov needs a --momentum above 0, and it is 0; give one, such as 0.9")
    if OPTIMIZERS[recipe.optimizer].decay == "decoupled" and recipe.decay == "coupled":
        raise RecipeError(
            f"--decay coupled is Adam's and the like, and {recipe.optimizer} is a decoupled one; use --optimizer adam"
        )
    _check_rates(recipe)
    _check_gradients(recipe)


def _check_rates(recipe: Recipe) -> None:
    if list(recipe.milestones) != sorted(set(recipe.milestones)) or min(recipe.milestones, default=1) < 1:
        raise RecipeError(f"--milestones must be steps from 1 up that rise, and are {recipe.milestones}; give others")
    if not 0 < recipe.power < math.inf:
        raise RecipeError(f"--power must be a number above 0, and is {recipe.power}; give another")
    if recipe.schedule == "onecycle" and (ONE_CYCLE_RISE * recipe.cosine_steps <= 1 or recipe.warmup):
        raise RecipeError(
            f"--schedule onecycle needs 4 steps at least and rises by itself, and --steps is {recipe.steps} with "
            f"--warmup {recipe.warmup}; change one of the two"
        )
    if recipe.warmup < 0 or (recipe.warmup and recipe.schedule == "plateau"):
        raise RecipeError(
            "--warmup must be 0 steps with --schedule plateau (neither framework warms it up), and 0 or more "
            f"otherwise, and is {recipe.warmup}; change one of the two"
        )


def _check_gradients(recipe: Recipe) -> None:
    clips = {
        f"--{name.replace('_', '-')}": getattr(recipe, name) for name in ("clip_value", "clip_norm", "clip_global")
    }
    for name, value in (clips | {"--l1": recipe.l1, "--l2": recipe.l2}).items():
        if not 0 <= value < math.inf:
            raise RecipeError(f"{name} must be a number from 0 up, and is {value}; give another")
    used = [name for name, value in clips.items() if value]
    if len(used) > 1:
        raise RecipeError(f"{used[0]} and {used[1]} are two ways to clip, and Keras takes one; leave one out")
    if not 0 <= recipe.ema < 1:
        raise RecipeError(f"--ema must be from 0 to below 1, and is {recipe.ema}; give another, such as 0.99")
    if recipe.accumulate < 1 or recipe.steps < recipe.accumulate:
        raise RecipeError(
            f"--accumulate must be from 1 to the {recipe.steps} steps, and is {recipe.accumulate}; give another"
        )


def check_loss(recipe: Recipe) -> None:
    """Raises RecipeError for settings of the loss that do not go together."""
    if bool(recipe.torch_loss) != bool(recipe.keras_loss):
        one, other = ("--torch-loss", "--keras-loss") if recipe.torch_loss else ("--keras-loss", "--torch-loss")
        raise RecipeError(f"{one} needs {other} beside it, and there is none; give it, or one --loss for both sides")
    if recipe.loss and recipe.torch_loss:
        raise RecipeError(
            f"--loss {recipe.loss} is for both sides, and --torch-loss is given too; leave one of them out"
        )
    if recipe.loss and not is_own(recipe.loss):
        _one_of("--loss", recipe.loss, (*LOSSES, "package.module:function"))
    if recipe.targets:
        _one_of("--targets", recipe.targets, TARGETS)
        if not recipe.own_loss:
            raise RecipeError(
                "--targets is for a loss of your own, and there is none; name one with --loss, or leave it out"
            )
    for_labels = {"label_smoothing": recipe.label_smoothing, "class_weights": recipe.class_weights}
    used = [f"--{name.replace('_', '-')}" for name, value in for_labels.items() if value]
    used += ["--ignore-label"] if recipe.ignore_label is not None else []
    if used and (recipe.own_loss or recipe.loss not in ("", *OF_LABELS)):
        raise RecipeError(
            f"{used[0]} is for a loss of labels, and --loss {recipe.loss} is none; use --loss cross_entropy"
        )
    used += ["--sample-weights"] if recipe.sample_weights else []
    if len(used) > 1:
        raise RecipeError(
            f"{used[0]} and {used[1]} cannot be compared together, as Keras has no loss of both; leave one out"
        )
    if recipe.label_smoothing and recipe.loss not in ("", "cross_entropy"):
        raise RecipeError(f"--label-smoothing is of --loss cross_entropy, and --loss is {recipe.loss}; leave one out")
    if recipe.sample_weights and (recipe.own_loss or (recipe.loss and not LOSSES[recipe.loss].weighed)):
        raise RecipeError(
            f"--sample-weights is for a mean over samples, and --loss {recipe.loss} is none; leave it out"
        )
    for name in ("delta", "margin"):
        if not 0 < getattr(recipe, name) < math.inf:
            raise RecipeError(f"--{name} must be a number above 0, and is {getattr(recipe, name)}; give another")
    if any(not 0 < weight < math.inf for weight in recipe.class_weights):
        raise RecipeError(f"--class-weights must be numbers above 0, and are {recipe.class_weights}; give others")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RecipeError(f"{name} must be one of {', '.join(allowed)}, and is {value!r}; choose one")
