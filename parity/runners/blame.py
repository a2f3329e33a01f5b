"""An exception that a request came to -> the sentence that says whose it is: the model's, or the check's own.

A model is only said not to run after it was run by itself, with nobody looking, and failed there too.
"""

import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import ModelError, ParityError, internal, traced, words
from parity.models.arrays import Array
from parity.models.inputs import inputs_of

from .engine import Engine

HOME = Path(__file__).parents[1]
FRAMEWORKS = {"", "torch", "keras", "tensorflow", "jax", "jaxlib", "numpy", "optree"}
UNSEEN: tuple[Callable[..., Any], ...] = (Engine.draws, Engine.train)  # the model trains by itself, as with its user
TRAINS: tuple[Callable[..., Any], ...] = (
    *UNSEEN,
    Engine.teach,
    Engine.teach_rounding,
    Engine.free_gradients,
    Engine.forced_gradients,
)


def blamed(error: Exception, engine: Engine, request: Callable[..., Any]) -> ParityError:
    """What to tell of the exception that a request raised."""
    if isinstance(error, ParityError):
        return error
    subject = f"the {engine.framework} model {engine.spec}".rstrip()
    if request in UNSEEN and raised_by_user(error):
        return _told(f"{subject} must train, and raised {words(error)}; run it alone first", error)
    found = _own(subject, engine, request in TRAINS)
    if found is not None:
        return found
    runs = f", which runs by itself{' in training mode' if request in TRAINS else ''}" if engine.given else ""
    return internal(error, f" on {subject}{runs}")


def raised_by_user(error: BaseException) -> bool:
    """Whether an exception comes out of code that is neither this package's nor a framework's."""
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    last = max((number for number, file in enumerate(files) if file.is_relative_to(HOME)), default=-1)
    return any(_package(file) not in FRAMEWORKS for file in files[last + 1 :])


def _package(file: Path) -> str:
    """The package that a file is of: "" for Python's own and for code without a file."""
    if "site-packages" in file.parts:
        return file.parts[file.parts.index("site-packages") + 1]
    standard = str(file).startswith("<") or file.is_relative_to(sysconfig.get_path("stdlib"))
    return "" if standard else str(file)


def _own(subject: str, engine: Engine, trains: bool) -> ModelError | None:
    """What the model does by itself where it was to run: nothing, if nothing is wrong with it."""
    if not engine.given:
        return None
    x, dtype = engine.given
    for asked, training in [("", False), *([("", True)] if trains else []), ("float64", trains), (dtype, trains)]:
        try:
            engine.run(x, asked, training)
        except ParityError as told:  # what it needs is not there: a sentence already
            return ModelError(str(told))
        except Exception as error:  # noqa: BLE001 - whatever a user's model raises is told in one sentence
            return _fails(subject, error, x, asked, training, _meant(engine, x) if not asked else "")
    return None


# How an input is often given otherwise than a torch model takes it, and what to pass then.
MEANT: tuple[tuple[Callable[[Array], bool], Callable[[Array], Array], str], ...] = (
    (lambda x: x.ndim > 2, lambda x: np.moveaxis(x, -1, 1), "with its channels on axis 1; pass np.moveaxis(x, -1, 1)"),
    (lambda x: x.ndim > 0, lambda x: x[None], "with a batch axis in front; pass x[None]"),
    (lambda x: x.dtype.kind in "iub", lambda x: x.astype("float32"), "of float32; pass x.astype('float32')"),
)


def _meant(engine: Engine, x: Any) -> str:
    """What the model does run on, of what is often meant, and how to pass it; empty where it does on none."""
    inputs = inputs_of(x)
    for fits, other, told in MEANT if len(inputs.arrays) == 1 else ():
        if fits(inputs.first):
            try:
                engine.run(inputs.with_arrays({name: other(inputs.first) for name in inputs.arrays}), "", False)
            except Exception:  # noqa: BLE001 - it was not that
                continue
            return f"it runs on the same {told}"
    return ""


def _fails(subject: str, error: Exception, x: Any, dtype: str, training: bool, meant: str) -> ModelError:
    must, step = "train" if training else "run", meant or "run it alone first"
    shapes = [tuple(array.shape) for array in inputs_of(x).arrays.values()]
    on = f"an input of {shapes[0]}" if len(shapes) == 1 else f"inputs of {', '.join(map(str, shapes))}"
    if dtype:
        text = (
            f"{subject} must {must} in {dtype} too, in which it is compared, and raised {words(error)} on {on}, also "
            "by itself, and runs as it is; let what its forward makes have the dtype of its input"
        )
    else:
        text = f"{subject} must {must}, and raised {words(error)} on {on}, also by itself; {step}"
    return _told(text, error)


def _told(text: str, error: Exception) -> ModelError:
    found = ModelError(text)
    found.details = traced(error)
    return found
