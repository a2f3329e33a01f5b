"""A file of one framework's model and a model of the user's own in each -> the other model's file, and the proof.

The file is loaded into the model that it is of, the pairs are those of `parity.check`, the other model gets the weights
and is compared with the first, and only then is its file written, read back and moved into place.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.checkpoints.checkpoint import Labels
from parity.checkpoints.convert import VerifyError, goal_of, printable, unsound, workplace, write_checked
from parity.checkpoints.files import container_of, format_of, layout_of
from parity.checkpoints.hdf5 import datasets, suffix_of
from parity.checkpoints.inside import Asked
from parity.checkpoints.keras_archive import weights_in
from parity.checkpoints.parts import Parts, find_parts, read_parts
from parity.checkpoints.source import ANYTHING
from parity.checkpoints.tensors import Tensor
from parity.errors import CheckpointError, TargetError, UnmatchedError, few
from parity.frameworks.adapter import adapter, title
from parity.frameworks.build import build, is_model, side_of
from parity.models.arrays import Array
from parity.models.inputs import Inputs, inputs_of
from parity.models.layers import KEEP
from parity.models.targets import Target

from .certificate import Part, certificate, certificate_of, described, written
from .given import inputs_given
from .memory import check_models, copy_model_weights
from .options import SLICE
from .report import Report, headline

UNPROVEN = "not checked: nothing proves that both models compute the same (--no-check)"


@dataclass(frozen=True)
class OwnConversion:
    """What was written. report: the check's; None where there was none. certificate: the file with the proof."""

    source: Path
    destination: Path
    tensors: int
    notes: tuple[str, ...]
    report: Report | None
    certificate: Path | None

    def __str__(self) -> str:
        written = f"{self.destination}: {self.tensors} tensors written, read back and equal bit for bit"
        proof = [f"{self.certificate}: the proof; `python -m parity.verify {self.certificate}` makes it again"]
        return "\n".join(map(printable, (*self.notes, written, *(proof if self.certificate else [UNPROVEN]))))


@dataclass(frozen=True)
class Ends:
    """Which framework's model the source is of, and which the destination's."""

    source: str
    destination: str


def ends(source: Path, destination: Path) -> tuple[Parts, Ends]:
    """The source's files and both frameworks. Raises CheckpointError where they are one framework's."""
    parts = find_parts(source)
    found = Ends(parts.layout, layout_of(format_of(destination)))
    if found.source == found.destination:
        own = title(found.source)
        raise CheckpointError(
            f"one of SOURCE and DESTINATION must be {title('torch')}'s file and the other {title('keras')}'s, and "
            f"{source} and {destination} are both {own}'s; choose another name for DESTINATION"
        )
    return parts, found


def convert_models(
    source: Path,
    destination: Path,
    models: dict[str, Any],
    x: Any = None,
    check: bool = True,
    seed: int = 0,
    batch_size: int = 2,
    asked: Asked = ANYTHING,
) -> OwnConversion:
    """See `parity.convert_model`. models: by framework, each a model, a factory, or "package.module:factory".

    x: arrays, or a `Target` that says which are to be drawn or read. asked: where in the source the tensors lie.
    """
    goal = goal_of(destination)
    parts, way = ends(source, destination)
    built = {name: made(models[name], name) for name in ("torch", "keras")}
    target = x if isinstance(x, Target) else _declared(built) if x is None else None
    given = inputs_given(target, batch_size, seed) if target else None if x is None else inputs_of(x)
    if given is None and check:
        raise TargetError(
            "both models must be run to be compared, and nothing says on what; give --input-shape, in torch's order "
            "and without the batch (x in Python), or --no-check"
        )
    given = None if given is None else introduced(built, given, seed)
    load(built[way.source], way.source, parts, asked)
    notes = unsound(_tensors(built[way.source], way.source), source, "give --no-check" if check else "")
    report = carry(built, way, given, check)
    if report is not None and not report.ok:
        raise VerifyError("both models", report)
    place = None if report is None else certificate_of(goal)
    with workplace(goal) as folder:
        draft = folder / goal.name
        count = _write(built[way.destination], way.destination, draft, destination)
        if report is not None and given is not None and place is not None:
            inputs = described(target, given, seed, goal.parent)
            held = [Part("source", path, path) for path in parts.files]
            inputs |= {"at": asked.at, "prefix": asked.prefix}
            document = certificate([*held, Part("destination", goal, draft)], models, built, inputs, report)
            (folder / place.name).write_text(written(document))
            os.replace(folder / place.name, place)
        os.replace(draft, goal)
    notes = (*notes, *(() if report is None else (headline(report), *report.copied)))
    return OwnConversion(source, destination, count, notes, report, place)


def _tensors(model: Any, framework: str) -> list[Tensor]:
    return [Tensor(name, array) for name, array in adapter(framework).store().tensors(model).items()]


def made(model: Any, framework: str) -> Any:
    """A model: itself, what a factory gives, or what a spec names. Raises TargetError for anything else."""
    if isinstance(model, str):
        return build(model, framework)
    if is_model(model, framework):
        return model
    if not callable(model):
        raise TargetError(
            f"{framework} must be a model, a factory or 'package.module:factory', and is a {type(model).__name__}; "
            "pass one of them"
        )
    found = model()
    if not is_model(found, framework):
        raise TargetError(f"the factory {framework} must give a model, and gives a {type(found).__name__}; return it")
    return found


def _declared(built: dict[str, Any]) -> Target | None:
    """What a model says itself that it runs on."""
    for name, model in built.items():
        shape = adapter(name).store().input_shape(model)
        if shape is not None:
            return Target("", "", "", shape)
    return None


def introduced(built: dict[str, Any], given: Inputs, seed: int) -> Inputs:
    """The inputs by torch's names; both models have run on them, and have all their weights."""
    given = side_of(built["torch"]).fitted(given, seed)
    side_of(built["keras"]).meet(next(given.slices(SLICE)))
    return given


def load(model: Any, framework: str, parts: Parts, asked: Asked = ANYTHING) -> None:
    """Give a model of a framework the weights of its file, every one once. Raises CheckpointError for another's."""
    store, file = adapter(framework).store(), parts.index or parts.files[0]
    if parts.layout == "torch":
        held = _values(read_parts(parts, asked.at).tensors)
        store.load(model, {name: a for name, a in held.items() if name.startswith(asked.prefix or "")}, file)
        return
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        file = _for_keras(parts, Path(folder))
        files = parts.files if parts.index else (file,)
        held = {f"{path.name} {name}": array for path in files for name, array in datasets(path).items()}
        store.load(model, _values(held), file)


def _for_keras(parts: Parts, folder: Path) -> Path:
    """The file as Keras reads weights, which goes by names: in `folder`, an archive's own weights, or a link.

    Raises CheckpointError for a container that Keras does not load.
    """
    file, kind = parts.index or parts.files[0], container_of(parts.files[0])
    if not kind.loaded:
        raise CheckpointError(
            f"{file} must be a file that a Keras model loads, and is {kind.name}; load it into the model with "
            "tf.train.Checkpoint(model=model).read, and save that as .weights.h5"
        )
    if kind.model:
        region, inside = weights_in(file), folder / f"{file.stem}.weights.h5"
        with file.open("rb") as archive, inside.open("wb") as weights:
            archive.seek(region[0])
            weights.write(archive.read(region[1]))
        return inside
    suffix = suffix_of(file) if parts.index is None else ""
    own = next((end for end in (".weights.h5", ".h5") if file.name.endswith(end)), "")
    if suffix == own or parts.index:
        return file
    link = folder / f"{file.name.partition('.')[0]}{suffix}"
    link.symlink_to(file.absolute())
    return link


def _values(arrays: dict[str, Array]) -> dict[str, Array]:
    """As they are written: little-endian, bfloat16 widened."""
    return {name: Tensor(name, array).value for name, array in arrays.items()}


def carry(built: dict[str, Any], way: Ends, given: Inputs | None, check: bool) -> Report | None:
    """Give one model the other's weights, and compare them on the inputs if that is wanted."""
    torch, keras = built["torch"], built["keras"]
    try:
        if check and way.source == "torch":
            return check_models(torch, keras, given, dtype="float32", weights="copy")
        copy_model_weights(built[way.source], built[way.destination], given, filled=True)
    except UnmatchedError as error:
        raise UnmatchedError(str(error).replace(KEEP, ""), error.torch, error.keras) from None
    return check_models(torch, keras, given, dtype="float32", weights="keep") if check else None


def _write(model: Any, framework: str, draft: Path, written: Path) -> int:
    """Write a model's file and read it back: by its arrays, and where only its framework writes it, into the model."""
    store = adapter(framework).store()
    held = store.tensors(model)
    if layout_of(format_of(draft)) == "torch":
        write_checked(draft, _tensors(model, framework), Labels(type(model).__name__), written)
        return len(held)
    store.save(model, draft)
    load(model, framework, Parts((draft,)))
    wrong = [name for name, array in store.tensors(model).items() if array.tobytes() != held[name].tobytes()]
    if wrong:
        raise CheckpointError(
            f"{written} must hold what was written, bit for bit, and differs in {few(wrong)}; check the disk",
            {"differing": wrong},
        )
    return len(held)
