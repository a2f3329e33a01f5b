"""What is matched between the frameworks for a Recipe, how, and why: the table that is printed. Pure."""

from collections.abc import Iterator

from parity.errors import few
from parity.models.kinds import KINDS
from parity.models.recipe import Recipe
from parity.verdict.training import Match

SAME, SETTING, TWIN, CORRECTED = "same", "setting", "twin", "corrected"


def matches(recipe: Recipe, dtype: str, corrected: tuple[str, ...] = ()) -> tuple[Match, ...]:
    """Every rule that the run depends on, from the data to the schedule.

    corrected: the norms of Keras's own whose running variance was made torch's after every step.
    """
    return (*_common(recipe, dtype), *_norms(corrected), *_optimizer(recipe), *_decay(recipe), *_schedule(recipe))


def _common(recipe: Recipe, dtype: str) -> Iterator[Match]:
    yield Match("batches", "in order", "fit(shuffle=False)", SETTING, "fit shuffles by default")
    yield Match("loss", "cross_entropy: mean", "sum_over_batch_size", SAME, "both divide by the batch size")
    if recipe.label_smoothing:
        smoothing = f"label_smoothing={recipe.label_smoothing:g}"
        why = "Keras smooths one-hot labels only; both give (1 - s) y + s / classes"
        yield Match("label smoothing", smoothing, f"CategoricalCrossentropy({smoothing})", SETTING, why)
    why = "two frameworks cannot draw the same numbers"
    yield from (Match(kind.name, "p = 0", "rate = 0", SETTING, why) for kind in KINDS if kind.draws)
    if dtype.startswith("mixed"):
        why = "weights, running statistics, optimizer and loss in float32, layers in bfloat16"
        yield Match("mixed precision", "autocast(bfloat16)", "mixed_bfloat16 policy", SETTING, why)


def _norms(corrected: tuple[str, ...]) -> Iterator[Match]:
    yield Match("batch norm momentum", "momentum", "1 - momentum", SETTING, "torch weighs the new, Keras the old")
    biased = "Keras's own keeps the biased variance, (n - 1) / n of it"
    if not corrected:
        yield Match("running variance", "unbiased", "resnet_keras's BatchNormalization", TWIN, biased)
        return
    where = f"{len(corrected)} norm{'s' * (len(corrected) > 1)} of Keras's own: {few(corrected)}"
    why = f"{biased}: after every step it is judged, and goes on, as n / (n - 1) of that; in your own training it stays"
    yield Match("running variance", "unbiased", where, CORRECTED, why)


def _optimizer(recipe: Recipe) -> Iterator[Match]:
    name, eps = recipe.optimizer, f"{recipe.epsilon:g}"
    if name == "sgd":
        yield from _sgd(recipe)
        return
    why = "its gradient is 0 but for rounding, which epsilon divides: in float64 each side's step is held to the rule"
    yield Match("bias before a norm", "its own step", "its own step, then torch's", SETTING, why)
    if name in ("adam", "adamw"):
        twin = "TorchAdam" if name == "adam" else "TorchAdamW"
        why = "Keras adds epsilon before the bias correction (epsilon hat): torch's is another one at each step"
        yield Match("epsilon", f"sqrt(v / c2) + {eps}", f"{twin}, for sqrt(v) + epsilon", TWIN, why)
        betas = f"{recipe.beta1:g}, {recipe.beta2:g}"
        yield Match("betas", betas, betas, SETTING, "the defaults are equal, and stated")
    elif name == "rmsprop":
        why = "Keras has epsilon (default 1e-7) under the root and keeps the rate in the momentum"
        yield Match("epsilon, momentum", f"g / (sqrt(v) + {eps})", "TorchRMSprop, for sqrt(v + epsilon)", TWIN, why)
        yield Match("smoothing", f"alpha={recipe.rho:g}", f"rho={recipe.rho:g}", SETTING, "defaults 0.99 and 0.9")
    elif name == "adagrad":
        why = "Keras has epsilon (default 1e-7) under the root"
        yield Match("epsilon", f"g / (sqrt(s) + {eps})", "TorchAdagrad, for sqrt(s + epsilon)", TWIN, why)
        yield Match("first accumulator", "0", "initial_accumulator_value=0.0", SETTING, "Keras starts at 0.1")
    else:
        why = "the same rule; the defaults differ: rate 1 and 0.001, epsilon 1e-6 and 1e-7, rho 0.9 and 0.95"
        stated = f"rho={recipe.rho:g}, eps={eps}"
        yield Match("settings", stated, stated.replace("eps", "epsilon"), SETTING, why)


def _sgd(recipe: Recipe) -> Iterator[Match]:
    if not recipe.momentum:
        yield Match("update", "w - lr g", "w - lr g", SAME, "one rule")
    elif recipe.schedule == "constant" and not recipe.warmup:
        why = "Keras's holds the rate, which is constant: its buffer is -lr times torch's"
        yield Match("momentum buffer", "m = mu m + g", "m = mu m - lr g", SAME, why)
    else:
        why = "Keras's holds each step's own rate, torch's takes the present one: they part when it changes"
        yield Match("momentum buffer", "m = mu m + g", "TorchSGD, for m = mu m - lr g", TWIN, why)


def _decay(recipe: Recipe) -> Iterator[Match]:
    if not recipe.weight_decay:
        return
    value = f"weight_decay={recipe.weight_decay:g}"
    if recipe.decay == "coupled":
        if recipe.optimizer == "sgd" and not recipe.momentum:
            yield Match("weight decay", value, value, SAME, "without momentum coupled and decoupled are one")
        else:
            why = "Keras decays decoupled only, and a regularizer would change the loss"
            yield Match("weight decay", f"{value}: g + d w", "Coupled..., g + d w", TWIN, why)
    elif recipe.optimizer == "adamw":
        yield Match("weight decay", value, value, SETTING, "w - lr d w on both; the defaults are 0.01 and 0.004")
    else:
        yield Match("weight decay", "a hook before the step: w - lr d w", value, TWIN, "torch decouples in AdamW alone")
    if recipe.decay_on == "kernels":
        why = "biases and norms do not decay"
        yield Match("what decays", "two parameter groups", "exclude_from_weight_decay", SETTING, why)


def _schedule(recipe: Recipe) -> Iterator[Match]:
    name = recipe.schedule
    if recipe.warmup and name == "cosine":
        why = "SequentialLR would start the next schedule a step short of the full rate"
        yield Match("warm-up, cosine", "LambdaLR", "CosineDecay(warmup_target=...)", SETTING, why)
        return
    if recipe.warmup:
        why = "Keras warms up cosine schedules only; torch's SequentialLR starts the next one a step short"
        yield Match("warm-up", "LambdaLR", "WarmUp", TWIN, why)
    rows = {
        "step": ("StepLR", "ExponentialDecay(staircase=True)", SETTING, "one formula"),
        "exponential": ("ExponentialLR", "ExponentialDecay(decay_steps=1)", SETTING, "one formula"),
        "cosine": ("CosineAnnealingLR", "CosineDecay(alpha)", SETTING, "eta_min is alpha times the rate"),
        "cyclic": ("CyclicLR", "Cyclic", TWIN, "Keras has none"),
    }
    if name in rows:
        yield Match("schedule", *rows[name])
    elif name == "plateau":
        why = "torch lowers after more than `patience` bad epochs, Keras after as many; torch's threshold is relative"
        torch = f"patience={recipe.patience}, threshold_mode='abs'"
        yield Match("schedule", torch, f"patience={recipe.patience + 1}, min_delta", SETTING, why)
    why = "Keras turns a Python float into a float32 first in schedules, momentum, betas and decay, whatever floatx is"
    yield Match("float64 settings", "Python floats", "numpy.float64", SETTING, why)
