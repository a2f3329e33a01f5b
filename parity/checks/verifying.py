"""A certificate -> the same proof made again, from the files and the models that it names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.checkpoints.inside import Asked
from parity.checkpoints.parts import Parts, find_parts
from parity.errors import CheckpointError, TargetError, few
from parity.models.inputs import Inputs
from parity.models.targets import Target

from .certificate import changed, read_certificate, target_of
from .given import inputs_given
from .memory import check_models
from .own import introduced, load, made
from .report import Report


@dataclass(frozen=True)
class Verified:
    """What came of a certificate. changed: files that are not what they were; then nothing was run."""

    certificate: Path
    changed: dict[str, list[str]]
    report: Report | None

    @property
    def ok(self) -> bool:
        return self.report is not None and self.report.ok

    def __str__(self) -> str:
        if self.report is not None:
            return f"{self.certificate} {'holds' if self.ok else 'does not hold'}: {self.report}"
        names = [name for each in self.changed.values() for name in each]
        return f"{self.certificate} does not hold: since it was made, {few(names)} changed"


def verify(path: Path, inputs: str = "") -> Verified:
    """Make a certificate's proof again. inputs: a file of arrays to run on in place of its own.

    Raises CheckpointError for a certificate that is none, and for files that are not there.
    """
    document = read_certificate(path)
    home = path.absolute().parent
    wrong = changed(document, home)
    if "missing" in wrong:
        raise CheckpointError(
            f"{path} rests on files that must be there, and {few(wrong['missing'])} cannot be found; put them back",
            wrong,
        )
    if wrong:
        return Verified(path, wrong, None)
    models = document["models"]
    if set(models) != {"torch", "keras"} or not all(isinstance(each, str) for each in models.values()):
        raise TargetError(
            f"{path} must say how both models are built, and was made of models in memory; convert again with "
            "package.module:factory for both"
        )
    return Verified(path, {}, _proved(document, home, inputs))


def _proved(document: dict[str, Any], home: Path, file: str) -> Report:
    target, batch, seed = (Target("", "", "", (), file=file), 2, 0) if file else target_of(document["inputs"], home)
    built = {name: made(spec, name) for name, spec in document["models"].items()}
    given: Inputs = introduced(built, inputs_given(target, batch, seed), seed)
    for role in ("source", "destination"):
        files = tuple(home / entry["file"] for entry in document["files"] if entry.get("role") == role)
        parts = find_parts(files[0].parent) if len(files) > 1 else Parts(files)
        said = document["inputs"] if role == "source" else {}
        load(built[parts.layout], parts.layout, parts, Asked(str(said.get("at") or ""), said.get("prefix")))
    return check_models(built["torch"], built["keras"], given, dtype="float32", weights="keep")
