"""The settings of a training run -> whether a user's own steps, which bring their optimizer, go with them. Pure."""

from typing import Any

from parity.errors import ParityError

OF_A_RUN = ("steps", "epoch_steps", "batch_size", "seed", "targets", "torch_step", "keras_step")


def check_own_step(optimizer: str, given: dict[str, Any]) -> None:
    """Raises ParityError for one step without the other, and for what a step of one's own brings itself."""
    steps = {f"--{side}-step": given.get(f"{side}_step") for side in ("torch", "keras")}
    missing = [option for option, spec in steps.items() if not spec]
    if len(missing) == 2:
        return
    if missing:
        (there,) = steps.keys() - set(missing)
        raise ParityError(f"{there} needs {missing[0]} beside it, and there is none; give both, one for each side")
    others = [name for name, value in given.items() if value not in (None, "") and name not in OF_A_RUN]
    others += ["optimizer"] if optimizer != "sgd" else []
    if others:
        raise ParityError(
            f"--{others[0].replace('_', '-')} is of a step that parity makes, and --torch-step and --keras-step bring "
            "their own; leave it out, and set it in both of your functions"
        )
