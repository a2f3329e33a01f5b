"""What mnist_torch and mnist_keras share: the command line, the data, the history and the report."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import command, data
from .command import ExampleError
from .data import Data, Raw

EPOCHS = {"mnist": 5, "digits": 16}
DIGIT_SCALE = 2  # digits are 8 x 8 pixels: 16 x 16 leaves the last stages one pixel, and takes seconds an epoch
Row = dict[str, float]


@dataclass(frozen=True)
class Settings:
    """What decides how a training goes; a checkpoint is continued under the settings it was made with only."""

    model: str
    data: str
    epochs: int
    batch_size: int
    learning_rate: float
    dropout: float
    seed: int


@dataclass
class Run:
    """One training: its settings and data, the folder it writes to, and a row for every epoch that is done."""

    settings: Settings
    images: Data
    folder: Path
    resume: bool
    history: list[Row] = field(default_factory=list)
    random: list[Any] = field(default_factory=list)  # after every epoch, the generators' states, for Keras

    def __post_init__(self) -> None:
        command.check_folder(self.folder)

    @property
    def steps(self) -> int:
        """Batches in an epoch. The images that do not fill one wait for the next epoch's order."""
        return len(self.images.train) // self.settings.batch_size

    def add(self, row: Row) -> None:
        """Add an epoch, with loss and accuracy of training and validation, and show it where a terminal looks on."""
        self.history.append({"epoch": len(self.history) + 1.0} | row)

    def adopt(self, settings: dict[str, Any], history: list[Row]) -> None:
        """Go on after these epochs. Raises ExampleError where they were made with other settings."""
        ours = asdict(self.settings)
        wrong = [
            f"{name} {settings.get(name)!r} (now {ours[name]!r})" for name in ours if settings.get(name) != ours[name]
        ]
        if wrong:
            raise ExampleError(
                f"--resume needs the settings that the checkpoint in {self.folder} was made with, which are "
                f"{', '.join(wrong)}; give those, or leave --resume out"
            )
        self.history = history

    def needs(self, path: Path) -> Path:
        """A file to resume from. Raises ExampleError where there is none."""
        if not path.is_file():
            raise ExampleError(
                f"--resume needs {path}, and there is none; leave --resume out to start at the beginning"
            )
        return path


def prepare(name: str, description: str | None, download: Callable[[], Raw], argv: list[str] | None) -> Run:
    """Read the command line and the data."""
    parser = command.parser(name, description)
    parser.add_argument("--dataset", choices=("mnist", "digits"), default="mnist", help="digits needs no network")
    parser.add_argument("--data", type=Path, metavar="FILE", help="MNIST as mnist.npz or IDX, plain or gzip")
    parser.add_argument("--model", default="resnet18_d2l", metavar="NAME", help="any variant (resnet18_d2l)")
    parser.add_argument("--epochs", type=command.whole, metavar="N", help="5 for MNIST, 16 for digits")
    parser.add_argument("--batch-size", type=command.whole, default=32, metavar="N", help="(32)")
    parser.add_argument("--learning-rate", type=command.positive, default=0.02, metavar="X", help="the first (0.02)")
    parser.add_argument("--dropout", type=command.fraction, default=0.0, metavar="X", help="before the classifier (0)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of weights, order and dropout (0)")
    parser.add_argument("--output", type=Path, default=Path("runs", name), metavar="FOLDER", help=f"(runs/{name})")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint of the last whole epoch")
    options = parser.parse_args(argv)
    return Run(_settings(options), _images(options, download), options.output, options.resume)


def _settings(options: argparse.Namespace) -> Settings:
    named(options.model)
    epochs = options.epochs or EPOCHS[options.dataset]
    where = options.dataset if options.data is None else options.data.name
    numbers = options.batch_size, options.learning_rate, options.dropout, options.seed
    return Settings(options.model, where, epochs, *numbers)


def named(model: str) -> None:
    """Raise `parity.errors.TargetError`, with the nearest names, unless there is such a variant."""
    from parity.models import targets

    targets.named(model)


def _images(options: argparse.Namespace, download: Callable[[], Raw]) -> Data:
    if options.data is not None:
        if options.dataset == "digits":
            raise ExampleError("--data and --dataset digits are two sources, and one is needed; leave one out")
        images = data.from_file(options.data)
    else:
        images = data.digits(DIGIT_SCALE) if options.dataset == "digits" else data.mnist(download)
    check_batch_size(options.batch_size, images)
    return images


def check_batch_size(size: int, images: Data) -> None:
    """Raise ExampleError for batches that cannot be filled, or hold one image, which batch norm cannot take."""
    if not 2 <= size <= len(images.train):
        raise ExampleError(
            f"--batch-size must be from 2 to the {len(images.train)} images to train on, and is {size}; choose another"
        )


def write_json(path: Path, document: Any) -> None:
    """Write it whole or not at all."""
    with command.replacing(path) as part:
        part.write_text(json.dumps(document, indent=1) + "\n")


class Stopwatch:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def __str__(self) -> str:
        wall, processor = time.perf_counter() - self.wall, time.process_time() - self.processor
        return f"{wall:.0f} s, {processor:.0f} s of processor time"


def report(run: Run, framework: str, parameters: int, test_loss: float, test_accuracy: float, took: Stopwatch) -> None:
    """The table and the picture at the end; both frameworks print the same."""
    from . import plots
    from .table import percent, table

    settings, images = run.settings, run.images
    counts = f"{len(images.train)} images to train on, {len(images.validation)} held out, {len(images.test)} to test"
    title = f"{settings.model} in {framework}, {parameters:,} parameters, {images.name}, seed {settings.seed}"
    rows = [
        (
            f"epoch {int(row['epoch'])}",
            f"{row['rate']:.5f}",
            f"{row['loss']:.4f}",
            percent(row["accuracy"]),
            f"{row['val_loss']:.4f}",
            percent(row["val_accuracy"]),
        )
        for row in run.history
    ]
    columns = ("", "last rate", "train loss", "accuracy", "held-out loss", "accuracy")
    made = table(title, columns, rows)
    made.add_section()
    made.add_row("test", "", "", "", f"{test_loss:.4f}", percent(test_accuracy), style="bold")
    picture = plots.save(plots.training(title, run.history, test_accuracy), run.folder / "training.png")
    result = {"test_loss": test_loss, "test_accuracy": test_accuracy, "parameters": parameters}
    write_json(run.folder / "result.json", {"settings": asdict(settings), "history": run.history, **result})
    command.show(made, f"{counts}; {took}; {picture} and the checkpoint are in {run.folder}")
