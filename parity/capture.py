"""`python -m parity.capture`: run one side here and keep all that it computes in a trace, for parity.compare."""

import argparse
from pathlib import Path

from .checks.traces import _alone, _keras_beside_torch, _side
from .cli import MATCH, _guarded, add_target, chosen_target
from .errors import ParityError


def capture_parser() -> argparse.ArgumentParser:
    """The command line of parity.capture."""
    result = argparse.ArgumentParser(
        prog="python -m parity.capture",
        description="Run one side and keep all that it computes in a trace (safetensors), for parity.compare.",
    )
    add_target(result)
    result.add_argument("--framework", choices=("torch", "keras"), required=True)
    result.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps"))
    result.add_argument("--output", required=True, metavar="FILE.trace", type=Path)
    result.add_argument(
        "--against",
        metavar="TORCH.trace",
        type=Path,
        help="for Keras: torch's trace, whose input, weights and names it takes, and beside which it runs",
    )
    return result


def capture_main(argv: list[str] | None = None) -> int:
    """Capture and return the exit code."""
    return _guarded("parity.capture", _capture, capture_parser().parse_args(argv))


def _capture(arguments: argparse.Namespace) -> int:
    target = chosen_target(arguments)
    if arguments.framework == "torch" and arguments.against:
        raise ParityError("--against is for Keras, which runs beside torch's trace, and --framework is torch; drop it")
    if arguments.framework == "keras" and not arguments.against and arguments.weights == "copy":
        raise ParityError(
            "Keras's weights must come from torch, and no trace of torch is given; capture torch first and give its "
            "file with --against, or compare the models as they are with --weights keep"
        )
    with _side(arguments, target) as (side, shelf):
        if arguments.against:
            _keras_beside_torch(arguments, target, side, shelf)
        else:
            _alone(arguments, target, side, shelf)
    print(f"{arguments.framework}'s run of {target.name} is in {arguments.output}")
    return MATCH


if __name__ == "__main__":
    import sys

    sys.exit(capture_main())
