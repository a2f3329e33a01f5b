"""`python -m parity.capture`: run one side here and keep all that it computes in a trace, for parity.compare.

Exit code 0: the trace was written. 2: it was not, for the reason printed on stderr.
"""

import argparse
import sys
from pathlib import Path

from .cli import MATCH, add_target, chosen_target, guarded, name_map_of


def parser() -> argparse.ArgumentParser:
    """The command line."""
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


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return guarded("parity.capture", _capture, parser().parse_args(argv))


def _capture(arguments: argparse.Namespace) -> int:
    from .checks.traces import Capture, capture

    target = chosen_target(arguments)
    run = arguments.framework, arguments.device, arguments.output, arguments.against
    plain = arguments.dtype, arguments.batch_size, arguments.seed, arguments.weights
    capture(Capture(target, *run, *plain, name_map_of(arguments.map), arguments.onednn))
    print(f"{arguments.framework}'s run of {target.name} is in {arguments.output}")
    return MATCH


if __name__ == "__main__":
    sys.exit(main())
