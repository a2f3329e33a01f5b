"""One file in, another out: read, renamed, written beside the destination, read back bit for bit, then moved there."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from parity.errors import CheckpointError, few

from .checkpoint import Labels
from .files import BY_SUFFIX, format_of, layout_of, read, write
from .folders import CONFIG, INDEX, WEIGHTS, configuration, in_parts, index_of_parts
from .inside import Asked
from .naming import scheme_named
from .parts import check_destination
from .recognize import Architecture
from .schemes import OWN, SCHEMES, Scheme
from .source import ANYTHING, Source, read_source
from .tensors import Tensor, differing


class Verified(Protocol):
    """What a comparison of the two models, each with its file's weights, found."""

    @property
    def ok(self) -> bool:
        """Whether they compute the same."""


PRETRAINED = ("transformers", "transformers-backbone", "timm")  # whose folders are written

Verify = Callable[[Source, Path], Verified]

VERIFIED = (
    "{name} in PyTorch and in Keras, as written here, compute the same, one with the tensors that were read and one "
    "with those that were written; the model that saved the source was not run"
)


@dataclass(frozen=True)
class Conversion:
    """What was converted: the variant, whose names the source had, and what was decided or left out on the way."""

    source: Path
    destination: Path
    architecture: Architecture
    scheme: str
    tensors: int
    notes: tuple[str, ...]
    report: Verified | None = None

    def __str__(self) -> str:
        read = f"{self.source}: {self.architecture}, with {self.scheme} names"
        written = f"{self.destination}: {self.tensors} tensors written, read back and equal bit for bit"
        verified = [VERIFIED.format(name=self.architecture.name)] if self.report else []
        return "\n".join(printable(line) for line in (read, *self.notes, written, *verified))


class VerifyError(CheckpointError):
    """Two models, one with each file's weights, do not compute the same: exit code 1. `report` says where."""

    def __init__(self, models: str, report: Verified) -> None:
        super().__init__(
            f"{models} must compute the same with the tensors of the two files, and do not; nothing was written"
        )
        self.report = report


def convert(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    model: str | None = None,
    verify: Verify | None = None,
    naming: str | None = None,
    asked: Asked = ANYTHING,
    max_shard_size: str = "",
) -> Conversion:
    """See `parity.convert`. verify: compares the models of what was read and of the file written; None: nobody does."""
    origin, written = Path(source), Path(destination)
    whole = os.fspath(destination).endswith(os.sep)  # a folder, for from_pretrained
    file = Path(WEIGHTS if whole else written.name)
    if max_shard_size and not whole:
        raise CheckpointError(
            "--max-shard-size is for DESTINATION/, a folder, which holds several files; add the slash"
        )
    scheme = _scheme(naming or (PRETRAINED[0] if whole else None), format_of(file), PRETRAINED if whole else ())
    goal = goal_of(written, whole)
    found = read_source(origin, model, asked)
    tensors, notes = found.renamed(scheme, format_of(file))
    described = configuration(found.architecture, scheme) if whole else None
    files = in_parts(tensors, max_shard_size, scheme) if whole else {file.name: tensors}
    report = None
    with workplace(goal) as place:
        made = place / goal.name if whole else place / file
        draft = made / file if whole else made
        draft.parent.mkdir(exist_ok=True)
        if described is not None:
            draft.with_name(CONFIG).write_text(json.dumps(described, indent=2) + "\n")
        for name, held in files.items():
            write_checked(draft.with_name(name), held, _labels(found.architecture, scheme), written)
        if len(files) > 1:
            draft = draft.with_name(INDEX)
            draft.write_text(json.dumps(index_of_parts(files), indent=2) + "\n")
        notes += unsound(tensors, origin, "" if verify is None else "leave --verify out")
        if verify is not None:
            report = verify(found, draft)
            if not report.ok:
                raise VerifyError(f"our {found.architecture.name} in PyTorch and in Keras", report)
        os.replace(made, goal)
    return Conversion(origin, written, found.architecture, found.scheme, len(tensors), (*found.notes, *notes), report)


def goal_of(destination: Path, folder: bool = False) -> Path:
    """The file, or the folder, that is to be written. Raises CheckpointError where it cannot be one."""
    goal = Path(os.path.realpath(destination))  # through a link, as other tools write
    check_destination(destination)
    if not goal.parent.is_dir():
        what = f"there is no folder {goal.parent}"
    elif folder:
        what = f"{goal} is there already" if goal.exists() and not _is_empty(goal) else ""
    else:
        what = f"{goal} is a folder" if goal.is_dir() else ""
    if what:
        kind = "a new folder" if folder else "a file"
        raise CheckpointError(f"DESTINATION must be {kind} in a folder that exists, and {what}; choose another place")
    return goal


def _is_empty(place: Path) -> bool:
    return place.is_dir() and not any(place.iterdir())


def _scheme(name: str | None, suffix: str, among: tuple[str, ...] = ()) -> Scheme:
    """The names to write. Raises CheckpointError for a scheme that is none or that does not fit the format."""
    layout = layout_of(suffix)
    if name is None:
        return scheme_named(OWN[layout], layout)
    known = [scheme for scheme in SCHEMES if scheme.layout == layout and scheme.written]
    fitting = [scheme.name for scheme in known if not among or scheme.name in among]
    if BY_SUFFIX[suffix].model:
        fitting = [OWN[layout]]  # the archive describes a model, and that can only be our own
    if name not in fitting:
        what = "a folder" if among else suffix
        raise CheckpointError(f"--naming for {what} must be one of {', '.join(fitting)}, and is {name!r}; choose one")
    return scheme_named(name, layout)


def _labels(architecture: Architecture, scheme: Scheme) -> Labels:
    headless = architecture.config.num_classes == 0
    return Labels(architecture.name, architecture.options, scheme.containers if headless else scheme.nested)


@contextmanager
def workplace(goal: Path) -> Iterator[Path]:
    """A hidden folder beside the destination, gone at the end; whatever the disk refuses becomes one sentence."""
    try:
        with tempfile.TemporaryDirectory(prefix=".parity-", dir=goal.parent, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        why = error.strerror or " ".join(str(error).split())
        raise CheckpointError(
            f"{goal} must be writable, and is not ({why}); nothing was changed there: make room or choose another place"
        ) from None


def write_checked(draft: Path, tensors: Sequence[Tensor], labels: Labels, written: Path) -> None:
    """Write, read back and compare."""
    size = sum(tensor.nbytes for tensor in tensors)
    free = shutil.disk_usage(draft.parent).free
    if free < size:
        raise CheckpointError(
            f"{written} needs {size} bytes, and its disk has {free}; make room or choose another place"
        )
    write(draft, tensors, labels)
    wrong = list(differing(read(draft, trusted=True).tensors, tensors))
    if wrong:
        raise CheckpointError(
            f"{written} must hold what was written, bit for bit, and differs in {few(wrong)}; check the disk",
            {"differing": wrong},
        )


def unsound(tensors: Sequence[Tensor], origin: Path, way_out: str) -> tuple[str, ...]:
    """What must be said of numbers that are none. way_out: how not to compute with them, where that was to be done.

    Raises CheckpointError then.
    """
    with np.errstate(all="ignore"):
        wrong = [tensor.name for tensor in tensors if not np.isfinite(tensor.value).all()]
    if wrong and way_out:
        raise CheckpointError(
            f"{origin} must hold finite numbers to be compared, and holds NaN or infinity in {few(wrong)}; nothing was "
            f"written: {way_out} to convert it as it is",
            {"not finite": wrong},
        )
    return (f"{origin} holds NaN or infinity in {few(wrong)}: written as they are",) if wrong else ()


def printable(text: str) -> str:
    """One line of text in which nothing that a file's names hold can move the cursor."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
