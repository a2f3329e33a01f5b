"""`python -m parity.convert SOURCE DESTINATION`: carry a checkpoint to the other framework, or to another's names.

SOURCE may be the index of a checkpoint in parts (model.safetensors.index.json, b.weights.json), or a folder with one
network in it. It is a network of our family, under any names that are known; or, with --torch and --keras, of a model
of your own, and DESTINATION is the other framework's file: `python -m parity.convert net.pth net.weights.h5 --torch
mine:torch_net --keras mine:keras_net --input-shape 3,32,32`.
Exit code 0: every tensor was used once, the file was read back bit for bit, and two models of your own compute the
same. 1: they do not, or with --verify our two models of that name. 2: nothing was written, for the reason on stderr.
"""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import parity

from .checkpoints.convert import Conversion, VerifyError, printable
from .checkpoints.files import SUFFIXES
from .checkpoints.inside import Asked
from .checkpoints.schemes import SCHEMES
from .cli import add_inputs, error_document, given_inputs, positive, sentence, tell
from .errors import CheckpointError, ParityError, TargetError, UnwritableError
from .frameworks.quiet import quiet_start
from .models.attempts import attempt
from .models.targets import Target
from .reports import outputs

if TYPE_CHECKING:
    from .checks.own import OwnConversion

DONE, MISMATCH, ERROR = 0, 1, 2

OF_VARIANTS = dict.fromkeys(
    ("model", "naming", "verify", "headless", "max_shard_size"),
    "our variants, and --torch and --keras name other models",
)

OF_OWN = dict.fromkeys(
    ("check", "input_shape", "input", "inputs", "batch_size", "seed"),
    "two models of your own, and --torch and --keras name none",
)

TOO_LARGE = "more memory is needed than there is; nothing was written: use a larger machine"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m parity.convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    formats = ", ".join(SUFFIXES)
    written = ", ".join(scheme.name for scheme in SCHEMES if scheme.written)
    result.add_argument("source", metavar="SOURCE", help=f"a checkpoint: {formats}, an index of parts, or a folder")
    result.add_argument(
        "destination",
        metavar="DESTINATION",
        help="the file to write, in the format of its name; FOLDER/ for transformers or timm",
    )
    result.add_argument("--model", metavar="NAME", help="the variant, where the tensors fit more than one")
    result.add_argument(
        "--verify", action="store_true", help="also build the variant in both frameworks and check that they agree"
    )
    result.add_argument(
        "--naming",
        metavar="SCHEME",
        help=f"whose names to write: {written}; by default our own",
    )
    result.add_argument(
        "--at", metavar="A.B", default="", help="where in a file of several networks this one lies, such as ema.model"
    )
    result.add_argument("--prefix", metavar="P", help="what the network's names begin with, where several do")
    result.add_argument("--headless", action="store_true", help="take the network without its head")
    result.add_argument(
        "--max-shard-size",
        metavar="SIZE",
        default="",
        help="of a folder's files, such as 100MB; an index names them all",
    )
    own = result.add_argument_group(
        "two models of your own",
        "SOURCE is loaded into the model that it is of, the other takes the weights, and parity.check compares them",
    )
    own.add_argument("--torch", metavar="PKG.MOD:FACTORY", help="the torch model, or what makes it")
    own.add_argument("--keras", metavar="PKG.MOD:FACTORY", help="the Keras model, or what makes it")
    own.add_argument(
        "--no-check", dest="check", action="store_false", help="do not compare them: nothing is then proven"
    )
    add_inputs(own)
    own.add_argument("--batch-size", type=positive, default=2, metavar="N")
    own.add_argument("--seed", type=int, default=0, metavar="N", help="of the input")
    outputs.add_options(result)
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["python", "-m", "parity.convert", *(sys.argv[1:] if argv is None else argv)])
    try:
        return _run(arguments)
    except ParityError as error:
        return _refused(error, arguments)
    except MemoryError:
        return _refused(CheckpointError(TOO_LARGE), arguments)
    except Exception as error:  # noqa: BLE001 - nobody is shown a traceback who has not asked for one
        return _refused(tell("parity.convert", error), arguments, told=True)
    except KeyboardInterrupt:
        print("parity.convert: stopped before the end; nothing was written", file=sys.stderr)
        return ERROR


def _run(arguments: argparse.Namespace) -> int:
    outputs.check(arguments)
    own = arguments.torch or arguments.keras
    _refuse_options(arguments, OF_VARIANTS if own else OF_OWN)
    if arguments.html and not (arguments.check if own else arguments.verify):
        raise TargetError("--html is the page of a check, and none is made here; let it be made, or leave --html out")
    try:
        with quiet_start():
            done = _own(arguments) if own else _named(arguments)
    except VerifyError as error:
        from .reports.terminal.check import text

        report: Any = error.report

        print(f"parity.convert: {error}\n{text(report)}", file=sys.stderr)
        outputs.write(arguments, report.to_json())
        return MISMATCH
    if arguments.json != "-":
        print(done)
    _write(arguments, done)
    return DONE


def _named(arguments: argparse.Namespace) -> Conversion:
    """A variant of ours, whose names and shapes are known."""
    names = ("source", "destination", "model", "verify", "naming", "at", "prefix", "headless", "max_shard_size")
    given = {name: getattr(arguments, name) for name in names}
    return parity.convert(**given)


def _own(arguments: argparse.Namespace) -> "OwnConversion":
    """Two models of the user's own."""
    from .checks.own import convert_models

    if not (arguments.torch and arguments.keras):
        raise TargetError("your own models need --torch and --keras, and one is missing; name both")
    models = {"torch": arguments.torch, "keras": arguments.keras}
    return convert_models(
        Path(arguments.source),
        Path(arguments.destination),
        models,
        _asked(arguments),
        arguments.check,
        arguments.seed,
        arguments.batch_size,
        Asked(arguments.at, arguments.prefix),
    )


def _asked(arguments: argparse.Namespace) -> Target | None:
    """What the models are to run on; None where nothing is said."""
    given = given_inputs(arguments)
    return Target("", "", "", **given) if given else None


def _refuse_options(arguments: argparse.Namespace, names: dict[str, str]) -> None:
    """Raise TargetError for an option of the other kind of conversion."""
    given = [name for name in names if getattr(arguments, name) != parser().get_default(name)]
    if given:
        option = given[0].replace("_", "-")
        raise TargetError(f"--{'no-check' if option == 'check' else option} is for {names[given[0]]}; leave it out")


def _write(arguments: argparse.Namespace, done: "Conversion | OwnConversion") -> None:
    """The report of the check, or the conversion itself where there was none, wherever the user asked for it."""
    report: Any = done.report
    made = {
        "source": str(done.source),
        "destination": str(done.destination),
        "tensors": done.tensors,
        "notes": [printable(note) for note in done.notes],
    }
    if isinstance(done, Conversion):
        made |= {"model": done.architecture.name, "options": done.architecture.options, "scheme": done.scheme}
    else:
        made |= {"certificate": done.certificate and str(done.certificate)}
    checked = {"schema": 1, "verdict": "converted"} if report is None else report.to_json()
    outputs.write(arguments, checked | {"conversion": made})


def _refused(error: ParityError, arguments: argparse.Namespace, told: bool = False) -> int:
    """Say in a sentence why nothing was written; the document has the whole lists."""
    said = printable(sentence(error))
    if not told:
        print(f"parity.convert: {said}", file=sys.stderr)
    if isinstance(error, UnwritableError):
        return ERROR
    faults = error.faults if isinstance(error, CheckpointError) else {}
    document = error_document(f"{arguments.source} to {arguments.destination}", error) | {"faults": faults}
    attempt(partial(outputs.write, arguments, document | {"message": said}), partial(tell, "parity.convert"))
    return ERROR


if __name__ == "__main__":
    sys.exit(main())
