"""What is matched between the frameworks for a Recipe, how, and why: the table that is printed. Pure."""

from collections.abc import Iterator

from parity.errors import few
from parity.models.kinds import KINDS, Kind
from parity.models.losses import LOSSES
from parity.models.optimizers import OPTIMIZERS
from parity.models.recipe import Recipe
from parity.verdict.training import Match

SAME, SETTING, TWIN, CORRECTED = "same", "setting", "twin", "corrected"


def matches(recipe: Recipe, dtype: str, corrected: tuple[str, ...] = ()) -> tuple[Match, ...]:
    """Every rule that the run depends on, from the data to the schedule.

    corrected: the norms of Keras's own whose running variance was made torch's after every step.
    """
    if recipe.own_step:
        return (*_own(recipe), *_drawn(), *_norms(corrected))
    return (
        *_common(recipe, dtype),
        *_norms(corrected),
        *_optimizer(recipe),
        *_decay(recipe),
        *_gradients(recipe),
        *_schedule(recipe),
    )


def _common(recipe: Recipe, dtype: str) -> Iterator[Match]:
    yield Match("batches", "in order", "fit(shuffle=False)", SETTING, "fit shuffles by default")
    yield from _loss(recipe)
    if recipe.label_smoothing:
        smoothing = f"label_smoothing={recipe.label_smoothing:g}"
        why = "Keras smooths one-hot labels only; both give (1 - s) y + s / classes"
        yield Match("label smoothing", smoothing, f"CategoricalCrossentropy({smoothing})", SETTING, why)
    yield from _drawn()
    if dtype.startswith("mixed"):
        why = "weights, running statistics, optimizer and loss in float32, layers in bfloat16"
        yield Match("mixed precision", "autocast(bfloat16)", "mixed_bfloat16 policy", SETTING, why)


def _own(recipe: Recipe) -> Iterator[Match]:
    why = f"yours, with all that is in them; outputs are compared with targets drawn as {recipe.targets}"
    yield Match("batches", "in order", "in order", SAME, "x and y in each framework's own layout")
    yield Match("step", recipe.torch_step, recipe.keras_step, SETTING, why)


def _drawn() -> Iterator[Match]:
    why = "the same random numbers, by each side's own rate and shape; in your own training each side draws its own"
    yield from (
        Match(kind.name, "its own masks", "torch's masks replayed in Keras", TWIN, why)
        for kind in KINDS
        if _replayed(kind)
    )
    why = "two frameworks cannot draw the same numbers"
    others = (kind for kind in KINDS if kind.draws and not _replayed(kind))
    yield from (Match(kind.name, "p = 0", "rate = 0", SETTING, why) for kind in others)


def _replayed(kind: Kind) -> bool:
    return kind.idle and bool(kind.draws)


def _loss(recipe: Recipe) -> Iterator[Match]:
    if recipe.own_loss:
        why = f"yours; outputs are compared with targets drawn as {recipe.targets}"
        sides = recipe.torch_loss or recipe.loss, recipe.keras_loss or recipe.loss
        yield Match("loss", *sides, SETTING if recipe.torch_loss else SAME, why)
    elif recipe.loss:
        row = LOSSES[recipe.loss]
        yield Match("loss", row.torch, row.keras, row.how, row.why)
    if recipe.class_weights:
        why = "torch divides by the weights of a batch's labels, Keras's class_weight in fit by their number"
        yield Match("class weights", "weight=", "sample_weight, reduction='mean_with_sample_weight'", SETTING, why)
    if recipe.ignore_label is not None:
        sides = f"ignore_index={recipe.ignore_label}", f"ignore_class={recipe.ignore_label}"
        yield Match("ignored labels", *sides, SETTING, "both divide by the labels that count")
    if recipe.sample_weights:
        why = "the sum of what is weighed, over the number of samples, not over their weights"
        yield Match("sample weights", "mean(w loss), by hand", "sample_weight", TWIN, why)


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
    if name in ("adam", "adamw", "adamax", "nadam", "lion", "muon"):
        yield from _with_moments(recipe, eps)
    elif name == "rmsprop":
        why = "Keras has epsilon (default 1e-7) under the root and keeps the rate in the momentum"
        yield Match("epsilon, momentum", f"g / (sqrt(v) + {eps})", "TorchRMSprop, for sqrt(v + epsilon)", TWIN, why)
        yield Match("smoothing", f"alpha={recipe.rho:g}", f"rho={recipe.rho:g}", SETTING, "defaults 0.99 and 0.9")
        if recipe.centered:
            yield Match("centered", "sqrt(v - mean(g)^2)", "the same", SAME, "both subtract the mean's square")
    elif name == "adagrad":
        why = "Keras has epsilon (default 1e-7) under the root"
        yield Match("epsilon", f"g / (sqrt(s) + {eps})", "TorchAdagrad, for sqrt(s + epsilon)", TWIN, why)
        yield Match("first accumulator", "0", "initial_accumulator_value=0.0", SETTING, "Keras starts at 0.1")
    else:
        why = "the same rule; the defaults differ: rate 1 and 0.001, epsilon 1e-6 and 1e-7, rho 0.9 and 0.95"
        stated = f"rho={recipe.rho:g}, eps={eps}"
        yield Match("settings", stated, stated.replace("eps", "epsilon"), SETTING, why)


def _with_moments(recipe: Recipe, eps: str) -> Iterator[Match]:
    """Adam and what came of it."""
    if recipe.optimizer in ("adam", "adamw"):
        twin = "TorchAdam" if recipe.optimizer == "adam" else "TorchAdamW"
        why = "Keras adds epsilon before the bias correction (epsilon hat): torch's is another one at each step"
        yield Match("epsilon", f"sqrt(v / c2) + {eps}", f"{twin}, for sqrt(v) + epsilon", TWIN, why)
    elif recipe.optimizer == "adamax":
        why = "Keras adds epsilon to u where it divides by it"
        yield Match("epsilon", f"u = max(beta2 u, |g| + {eps})", "TorchAdamax, for g / (u + epsilon)", TWIN, why)
    elif recipe.optimizer == "nadam":
        why = "Keras's rises by 0.96^t; torch keeps the product of all in the default dtype, here the weights' own"
        yield Match("momentum's rise", "0.96^(0.004 t)", "TorchNadam", TWIN, why)
    elif recipe.optimizer == "lion":
        yield Match("update", "Lion, ours", "Lion: w - lr sign(beta1 m + (1 - beta1) g)", TWIN, "torch has none")
        yield Match("default rate", f"{recipe.lr:g}", f"{recipe.lr:g}", SETTING, "Keras's default is 0.001")
    else:
        why = "torch.optim.Muon iterates in bfloat16 and takes matrices alone; ours keeps the dtype"
        yield Match("Newton and Schulz", "Muon, ours", "TorchMuon", TWIN, why)
        why = "Keras's momentum is a sum, m = mu m + g, and its step 0.2 sqrt(max(out, in)) times as long"
        yield Match("momentum, length", "mean, sqrt(max(1, out / in))", "TorchMuon", TWIN, why)
        yield Match("what is no matrix", "Adam, by ours", "Adam, by TorchMuon", TWIN, "convolutions, biases and norms")
    if recipe.optimizer != "muon":
        betas = f"{recipe.beta1:g}, {recipe.beta2:g}"
        yield Match("betas", betas, betas, SETTING, "the defaults are equal, and stated")
    if recipe.amsgrad:
        yield Match("amsgrad", "max of all v", "max of all v", SAME, "before the bias correction in both")


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
    elif OPTIMIZERS[recipe.optimizer].decay == "decoupled":
        yield Match("weight decay", f"{value}, ours", value, SETTING, "w - lr d w on both")
    else:
        why = "torch decouples by itself in AdamW alone"
        yield Match("weight decay", "a hook before the step: w - lr d w", value, TWIN, why)
    if recipe.decay_on == "kernels":
        why = "biases and norms do not decay"
        yield Match("what decays", "two parameter groups", "exclude_from_weight_decay", SETTING, why)


def _gradients(recipe: Recipe) -> Iterator[Match]:
    """What is done to gradients and weights around the rule."""
    if recipe.clip_value:
        yield Match("clipping", "clip_grad_value_", "clipvalue", SAME, "every number by itself")
    if recipe.clip_norm:
        why = "torch adds 1e-6 to a norm before it divides; it has no call for every parameter by itself"
        yield Match("clipping", "clip_grad_norm_([w]) of each", "Clipping..., for clipnorm", TWIN, why)
    if recipe.clip_global:
        why = "torch adds 1e-6 to the norm of all before it divides, Keras nothing"
        yield Match("clipping", "clip_grad_norm_", "Clipping..., for global_clipnorm", TWIN, why)
    if recipe.l1 or recipe.l2:
        what = " and ".join(name for name, value in (("l1", recipe.l1), ("l2", recipe.l2)) if value)
        why = (
            "part of the loss, so of what momentum and Adam divide; l2 is half of sgd's weight_decay; Keras's own L1L2"
        )
        yield Match("penalty", f"loss + {what}, by hand", "Penalty, for L1L2", TWIN, f"{why} has float32 numbers")
    if recipe.accumulate > 1:
        k = recipe.accumulate
        why = "the mean of k batches; a schedule is read, and goes on, at every batch in Keras, so torch's does too"
        yield Match("accumulation", f"loss / {k}, a step every {k}", f"gradient_accumulation_steps={k}", SETTING, why)
    if recipe.ema:
        why = "a copy at the first update; with accumulation Keras averages after every batch, so torch does too"
        yield Match("running mean of weights", f"get_ema_multi_avg_fn({recipe.ema:g})", "use_ema", SETTING, why)


def _schedule(recipe: Recipe) -> Iterator[Match]:
    name = recipe.schedule
    if recipe.warmup:
        first = "LinearLR, then SequentialLR"
        if name == "cosine":
            why = "both reach the full rate at the step after the warm-up"
            yield Match("warm-up, cosine", first, "CosineDecay(warmup_target=...)", SETTING, why)
        else:
            yield Match("warm-up", first, "WarmUp", TWIN, "Keras warms up cosine schedules only")
    if name in SCHEDULE_ROWS and not (recipe.warmup and name == "cosine"):
        yield Match("schedule", *SCHEDULE_ROWS[name])
    elif name == "plateau":
        why = "torch lowers after more than `patience` bad epochs, Keras after as many; torch's threshold is relative"
        torch = f"patience={recipe.patience}, threshold_mode='abs'"
        yield Match("schedule", torch, f"patience={recipe.patience + 1}, min_delta", SETTING, why)
    why = "Keras turns a Python float into a float32 first in schedules, momentum, betas and decay, whatever floatx is"
    yield Match("float64 settings", "Python floats", "numpy.float64", SETTING, why)


# Of a schedule: torch's, Keras's, how they are matched, and why.
SCHEDULE_ROWS = {
    "step": ("StepLR", "ExponentialDecay(staircase=True)", SETTING, "one formula"),
    "multistep": (
        "MultiStepLR(milestones)",
        "PiecewiseConstantDecay(milestones - 1)",
        SETTING,
        "torch falls at a milestone, Keras after its boundary",
    ),
    "exponential": ("ExponentialLR", "ExponentialDecay(decay_steps=1)", SETTING, "one formula"),
    "polynomial": ("PolynomialLR", "PolynomialDecay", SETTING, "Keras ends at 1e-4 by default, torch at 0"),
    "cosine": ("CosineAnnealingLR", "CosineDecay(alpha)", SETTING, "eta_min is alpha times the rate"),
    "restarts": (
        "CosineAnnealingWarmRestarts",
        "CosineDecayRestarts(t_mul=1)",
        SETTING,
        "Keras doubles the period by default, torch keeps it",
    ),
    "onecycle": ("OneCycleLR", "OneCycle", TWIN, "Keras has none"),
    "cyclic": ("CyclicLR", "Cyclic", TWIN, "Keras has none"),
}
