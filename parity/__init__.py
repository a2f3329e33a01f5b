"""Prove that a PyTorch and a Keras model compute the same function, layer by layer, or say where and why not.

>>> report = parity.check(torch_model, keras_model, x)
>>> report.ok, report.first, report.cause

`python -m parity.check resnet50` does the same for a named variant. Nothing is imported before it is used.
"""

import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .errors import ParityError, internal
from .frameworks import source as _source, triton_first as triton_first  # before any framework is

if TYPE_CHECKING:
    import os

    from .checkpoints.convert import Conversion
    from .checks.own import OwnConversion
    from .reports.shown import ShownReport

P = ParamSpec("P")
T = TypeVar("T")

_source.listen()  # where layers are made is known of those alone that are made from now on

__all__ = ["assert_parity", "check", "convert", "convert_model", "copy_weights"]


def _foreseen(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function raise nothing but ParityError: a failure of the check's own is told as one, its cause chained."""

    @wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except ParityError:
            raise
        except Exception as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                raise  # of the call itself: an argument that is missing, or one too many
            raise internal(error) from error

    return told


@_foreseen
def check(
    torch_model: Any,
    keras_model: Any,
    x: Any,
    *,
    dtype: str = "float32",
    weights: str = "keep",
    gradients: bool = False,
    loss: Any = None,
    targets: str = "",
    onednn: str = "as-is",
    mend: str = "keras",
) -> "ShownReport":
    """Compare two models that are in memory, on the input `x`, and return a `parity.checks.report.Report`.

    The report is true where the models match; `str(report)` is the terminal's text, `report.save(path)` writes it as
    `.json`, `.html`, `.md`, `.patch` or `.txt`, and a notebook shows its curve and its layers.

    x: an array (N, C, ...) in torch's order, or any pytree of arrays and tensors: a tuple holds arguments by position,
    a dict by keyword (of Keras's inputs too), and a list is one argument where a model needs no more.
    dtype: whose arithmetic is compared beside the float64 structure.
    weights: "keep" compares the models as they are; "copy" first copies torch's weights into the Keras model.
    gradients: compare a training step too: loss, all gradients, and the running statistics afterwards.
    loss: of that step: a name (`parity.models.losses.LOSSES`), a function of (outputs, targets) for both, or a tuple
    of torch's and Keras's; by default the outputs' sum, weighted by fixed random numbers, which hides nothing.
    targets: what such a function compares outputs with, a kind out of `parity.models.losses.TARGETS`.
    onednn: "on" or "off" holds TensorFlow in this process to that, "as-is" takes it as it is. It is decided when
    TensorFlow is loaded (TF_ENABLE_ONEDNN_OPTS) and cannot be changed here: ParityError where it is otherwise.
    mend: "keras" or "torch": the side that is the copy, whose program `report.cause.edit` and `report.patch` are of.
    Layers that were made before parity was imported have no line to edit.
    Both models are left as they were, but for copied weights. Raises `parity.errors.ParityError` where the models
    cannot be compared (layers without partner, unknown weights, nothing to compare).
    """
    from .checks.memory import check_models
    from .reports.shown import ShownReport

    step = {"loss": loss, "targets": targets} if gradients or loss else {}
    how = {"dtype": dtype, "weights": weights, "onednn": onednn, "mend": mend}
    return ShownReport.of(check_models(torch_model, keras_model, x, gradients=gradients, step=step, **how))


def assert_parity(torch_model: Any, keras_model: Any, x: Any, **options: Any) -> None:
    """`check` for a test: raise AssertionError, with the text of the terminal report, unless the models match."""
    from .reports.terminal.check import text

    report = check(torch_model, keras_model, x, **options)
    if not report.ok:
        raise AssertionError(_foreseen(text)(report))


@_foreseen
def copy_weights(source: Any, destination: Any, x: Any = None) -> None:
    """Copy every weight of one model into the other, torch to Keras, Keras to torch or within a framework.

    Layers are paired by dotted path and kind. With an input `x`, in torch's order, both models run on it once: layers
    whose names differ are then paired by their order, and a Dense kernel behind a flattened image gets its rows in the
    other framework's order. Every tensor is used exactly once, and one that goes there and back is the same bit for
    bit; the two biases of a recurrent layer of torch's go into Keras's one as their sum, and back beside a zero.
    Raises `parity.errors.ParityError`, before anything is changed, listing all that is
    missing on either side or has another shape.
    """
    from .checks.memory import copy_model_weights

    copy_model_weights(source, destination, x)


@_foreseen
def convert(
    source: "str | os.PathLike[str]",
    destination: "str | os.PathLike[str]",
    model: str | None = None,
    verify: bool = False,
    naming: str | None = None,
    at: str = "",
    prefix: str | None = None,
    headless: bool = False,
    max_shard_size: str = "",
) -> "Conversion":
    """Convert a checkpoint to `.pth`, `.pt`, `.bin`, `.safetensors`, `.npz`, `.weights.h5`, `.keras` or `.h5`.

    source: the file, whatever its name, the index of one in parts, or a folder with one network in it. model: the named
    variant, where the tensors fit more than one. verify: also check that our two models of that name compute the same,
    one with the tensors that were read and one with those that were written; whatever saved the source is not run.
    at: where in a file that holds several networks the one lies, "teacher.model". prefix: what the network's names
    begin with, where several do. headless: take it without its head, whatever that is.
    naming: whose names to write (`parity.checkpoints.naming.SCHEMES`), by default our own of the destination's
    framework. max_shard_size: of a folder's files, such as "100MB"; the index beside them names them all.
    Every tensor is used once, nothing in a file is executed, and the destination appears whole or not at all. Raises
    `parity.errors.CheckpointError`, with the whole list of what does not fit.
    """
    from .checkpoints.convert import convert as convert_file
    from .checkpoints.inside import Asked

    asked = Asked(at, prefix, headless)
    if not verify:
        return convert_file(source, destination, model, None, naming, asked, max_shard_size)
    from .checks.conversion import check_conversion

    return convert_file(source, destination, model, check_conversion, naming, asked, max_shard_size)


@_foreseen
def convert_model(
    source: "str | os.PathLike[str]",
    destination: "str | os.PathLike[str]",
    torch: Any,
    keras: Any,
    x: Any = None,
    check: bool = True,
) -> "OwnConversion":
    """Convert a file of one framework's model into the other model's, and prove that both compute the same.

    source: a file, or an index of parts, that `torch` or `keras` saved; destination: the other's, whose name gives the
    format. torch, keras: a model, a factory without arguments, or "package.module:factory".
    x: what to run both on, as in `parity.check`; by default what a Keras model says that it takes.
    check: compare both models and write a certificate, DESTINATION.parity.json; False proves nothing.
    Nothing in a file is executed, the pairs are those of `parity.check`, every tensor is used once and read back bit
    for bit. Models that were passed hold the weights afterwards. Raises `parity.checkpoints.convert.VerifyError` where
    they do not compute the same, and `parity.errors.ParityError` where nothing could be converted; nothing is written
    then.
    """
    from pathlib import Path

    from .checks.own import convert_models

    return convert_models(Path(source), Path(destination), {"torch": torch, "keras": keras}, x, check)


class _Package(ModuleType):
    """`parity.check` and `parity.convert` are functions here and commands (`python -m parity.check`) beside this file.

    Importing a command's module binds it to the package under its name; where that is a function's, it stays unbound,
    so the function is there before and after, and `from parity.check import main` finds the command all the same.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
