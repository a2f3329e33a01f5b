"""The table of optimizers and schedules: what each is usually set to, and the states that it keeps. Pure.

An optimizer is one row here, its rule in `causes/optimizers.py`, and one entry of each framework's `optimizers.py`.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Optimizer:
    """A row. states: a parameter's, by torch's names; "NAME?" is kept where the setting `NEEDS` says so.

    usual: its settings, torch's own where it has it. decay: "any", or "decoupled" where that is the only one.
    """

    name: str
    states: tuple[str, ...]
    usual: dict[str, Any] = field(default_factory=dict)
    decay: str = "any"


NEEDS = {"momentum_buffer": "momentum", "grad_avg": "centered", "max_exp_avg_sq": "amsgrad"}
MOMENTS = ("exp_avg", "exp_avg_sq")
OPTIMIZERS = {
    row.name: row
    for row in (
        Optimizer("sgd", ("momentum_buffer?",), {"lr": 1e-2, "epsilon": 0.0}),
        Optimizer("adam", (*MOMENTS, "max_exp_avg_sq?")),
        Optimizer("adamw", (*MOMENTS, "max_exp_avg_sq?"), {"weight_decay": 1e-2}, "decoupled"),
        Optimizer("adamax", ("exp_avg", "exp_inf"), {"lr": 2e-3}),
        Optimizer("nadam", MOMENTS, {"lr": 2e-3}),
        Optimizer("rmsprop", ("square_avg", "grad_avg?", "momentum_buffer?"), {"rho": 0.99}),
        Optimizer("adagrad", ("sum",), {"epsilon": 1e-10}),
        Optimizer("adadelta", ("square_avg", "acc_delta"), {"lr": 1.0, "epsilon": 1e-6, "rho": 0.9}),
        Optimizer("lion", ("exp_avg",), {"lr": 1e-4, "beta2": 0.99, "epsilon": 0.0}, "decoupled"),
        Optimizer("muon", MOMENTS, {"momentum": 0.95, "weight_decay": 0.1}, "decoupled"),
    )
}
# What else `--optimizer` may be: a row with settings.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "momentum": ("sgd", {"momentum": 0.9}),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "amsgrad": ("adam", {"amsgrad": True}),
    "centered": ("rmsprop", {"centered": True}),
}
SCHEDULES = (
    "constant",
    "step",
    "multistep",
    "exponential",
    "polynomial",
    "cosine",
    "restarts",
    "onecycle",
    "cyclic",
    "plateau",
)
# Newton and Schulz's iteration of Muon (Jordan et al. 2024), as torch has it.
NS_STEPS, NS_COEFFICIENTS, NS_EPSILON = 5, (3.4445, -4.775, 2.0315), 1e-7
NADAM_DECAY = 4e-3  # of NAdam's momentum, torch's own
ONE_CYCLE_RISE, ONE_CYCLE_START, ONE_CYCLE_END = 0.3, 25.0, 1e4  # torch's own


def is_matrix(shape: tuple[int, ...]) -> bool:
    """Whether Muon's own rule is for a parameter of this shape (torch's): the others take Adam's."""
    return len(shape) == 2


def muon_ratio(shape: tuple[int, ...]) -> float:
    """What a matrix's step is multiplied by: (out, in) in torch's layout."""
    return float(max(1.0, shape[0] / shape[1]) ** 0.5)
