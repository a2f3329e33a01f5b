"""Networks that are cut into several files: their names say it (`-00001-of-00002`), or an index beside them does.

An index is the JSON file that huggingface_hub, transformers, accelerate and Keras (`max_shard_size`) write with the
parts: `weight_map` gives the file, or the files, of every key. One part is never read as if it were a network: its own
tensors can fit a smaller one exactly, as those of a network without its head do.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import CheckpointError

from .checkpoint import Checkpoint, repeated, strict_json
from .files import container_of, is_checkpoint, read, read_together
from .strangers import folder_of, part_of
from .tensor_bundle import index_of, saved_variables

NUMBERED = re.compile(r"(|.*\D)(\d{1,9})([-_.]of[-_.])(\d{1,9})([-_.].*)", re.IGNORECASE | re.DOTALL)
KERAS_PART = re.compile(r"(.*)_\d{5,}\.weights\.h5", re.DOTALL)  # as Keras names them, and others their epochs
ONE_OF = ("model.safetensors", "pytorch_model.bin", "tf_model.h5")  # transformers' names, the first preferred
MOST_INDEX = 16 << 20  # bytes
MOST_PARTS = 1000
MOST_NAMED = 6  # names of a kind that a sentence holds


@dataclass(frozen=True)
class Parts:
    """The files of one network by name. `places`: the names of the files that `index` gives every key of it."""

    files: tuple[Path, ...]
    index: Path | None = None
    places: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def layout(self) -> str:
        """Whose names and axes the tensors have: "torch" or "keras"."""
        return container_of(self.files[0]).layout


def find_parts(source: Path) -> Parts:
    """The files of the network at `source`: a whole checkpoint, an index of parts, or a folder that has one network.

    Raises CheckpointError, with the names of what is missing, for a part alone and for a set that is not whole.
    """
    bundle = saved_variables(source) or index_of(source)
    if bundle is not None:
        return Parts((bundle,))
    if source.is_dir():
        return _in_folder(source)
    if source.suffix == ".json":
        return _listed(source)
    other = part_of(source.name) if source.is_file() else None
    if other is not None:
        raise CheckpointError(
            f"SOURCE must be a checkpoint that is read here, and {source} is of {other.what}; {other.step}"
        )
    index, places = _index_of(source)
    siblings = set().union(*places.values()) if places else _numbered(source)
    if len(siblings) > 1:
        _refuse_alone(source, siblings, index)
    return _listed(index) if index else Parts((source,))


def read_parts(parts: Parts, at: str = "") -> Checkpoint:
    """The tensors of all files as one checkpoint. at: where in a file of its own they lie.

    Raises CheckpointError where the files and their index differ.
    """
    if len(parts.files) == 1 and parts.index is None:
        return read(parts.files[0], at=at)
    found = read_together(parts.files)
    _check_places(parts, found)
    tensors = {name: array for each in found for name, array in each.tensors.items()}
    names = [name for each in found for name in each.tensors]
    clashes = [*repeated(names), *(name for each in found for name in each.clashes)]
    models = {each.model for each in found if each.model is not None}
    notes = (f"read from {len(found)} parts", *dict.fromkeys(note for each in found for note in each.notes))
    return Checkpoint(tensors, models.pop() if len(models) == 1 else None, notes=notes, clashes=tuple(clashes))


def check_whole(parts: Parts, headless: bool) -> None:
    """Refuse what Keras's name for a part, and no head, make a part whose index is not there."""
    match = KERAS_PART.fullmatch(parts.files[0].name)
    if match and headless and parts.index is None:
        raise CheckpointError(
            f"{parts.files[0]} must be a whole network, and is named like a part of one, has no head and no index "
            f"{match[1]}.weights.json beside it; fetch the index, or rename the file if it is whole"
        )


def check_destination(path: Path) -> None:
    """Refuse the name of a part for a whole network: whoever reads it would look for the others."""
    match = NUMBERED.fullmatch(path.name)
    if match and int(match[4]) > 1:
        raise CheckpointError(
            f"DESTINATION is written in one piece, and {path.name} is the name of one of {int(match[4])} parts; "
            "choose another name"
        )


def _refuse_alone(source: Path, siblings: Iterable[str], index: Path | None) -> None:
    names = sorted(siblings)
    missing = [name for name in names if not source.with_name(name).is_file()]
    all_of_them = index or source.parent
    do = f"fetch {_some(missing)}, then convert {all_of_them}" if missing else f"convert {all_of_them}"
    told = f"{index.name} beside it" if index else "its name"
    raise CheckpointError(
        f"{source} is one of {len(names)} parts of a network, by {told}, and a part alone is none; {do}"
    )


def _numbered(path: Path) -> set[str]:
    """The names of all parts by the name of one; nothing for a file that is not numbered as one of several.

    They are counted from 1, or from 0 where that one is there. Raises CheckpointError for more than MOST_PARTS.
    """
    match = NUMBERED.fullmatch(path.name)
    if match is None:
        return set()
    head, number, of, total, tail = match.groups()
    if int(total) > MOST_PARTS:
        raise CheckpointError(
            f"{path} is one of {int(total)} parts by its name, and at most {MOST_PARTS} are read; join them, or rename "
            "the file if it is whole"
        )
    names = [f"{head}{each:0{len(number)}}{of}{total}{tail}" for each in range(int(total) + 1)]
    from_zero = int(number) == 0 or path.with_name(names[0]).is_file()
    return set(names[:-1] if from_zero else names[1:]) | {path.name}


def _index_of(source: Path) -> tuple[Path | None, dict[str, frozenset[str]]]:
    """The index beside a file that names it, and what that says; of several the one that names the most files."""
    indexes = _indexes(source.parent, source.name.encode())
    found = [(path, places) for path, places in indexes if source.name in set().union(*places.values())]
    return max(found, key=lambda each: len(set().union(*each[1].values())), default=(None, {}))


def _indexes(folder: Path, about: bytes = b"") -> Iterator[tuple[Path, dict[str, frozenset[str]]]]:
    """Every index in a folder. Raises CheckpointError for one that has `about` in it and is unsound."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and path.is_file())
    except OSError:
        return  # the file itself tells what is wrong with its folder
    for path in paths:
        try:
            text = path.read_bytes() if path.stat().st_size <= MOST_INDEX else b""
        except OSError:
            continue
        try:
            places = _places(path, text) if b'"weight_map"' in text else {}
        except CheckpointError:
            if about in text:
                raise
            continue  # another network's
        if places:
            yield path, places


def _text(index: Path) -> bytes:
    """The bytes of a file that was named as an index."""
    try:
        size = index.stat().st_size if index.is_file() else 0
        text = index.read_bytes() if 0 < size <= MOST_INDEX else b""
    except OSError as error:
        raise CheckpointError(
            f"{index} must be readable, and is not ({error.strerror}); check its permissions"
        ) from None
    if not text:
        there = f"has {size} bytes" if index.is_file() else "is no ordinary file"
        what = there if index.exists() else "is not there"
        raise CheckpointError(f"{index} must be an index of at most {MOST_INDEX} bytes, and {what}; check the name")
    return text


def _places(index: Path, text: bytes) -> dict[str, frozenset[str]]:
    """What an index says: key -> names of files beside it. Raises CheckpointError where it is none, or unsound."""
    content: Any = strict_json(text, str(index))
    listed: Any = content.get("weight_map") if isinstance(content, dict) else None
    places = {key: entry if isinstance(entry, list) else [entry] for key, entry in _items(listed)}
    if not places or not all(files and all(isinstance(name, str) for name in files) for files in places.values()):
        raise CheckpointError(
            f"{index} must be an index, with a file for every key in its weight_map, and is none; name a checkpoint"
        )
    names = set().union(*places.values())
    outside = [name for name in names if name in ("", ".", "..") or set(name) & set("/\\\0")]
    if outside or len(names) > MOST_PARTS:
        what = _some(map(repr, outside)) if outside else str(len(names))
        raise CheckpointError(f"{index} must name at most {MOST_PARTS} files beside it, and names {what}; refused")
    return {key: frozenset(files) for key, files in places.items()}


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _listed(index: Path) -> Parts:
    """The parts that an index lists, all of them there."""
    places = _places(index, _text(index))
    names = sorted(set().union(*places.values()))
    forgotten = sorted(set().union(*(_numbered(index.with_name(name)) for name in names)) - set(names))
    if forgotten:
        raise CheckpointError(f"{index} must name all parts, and leaves out {_some(forgotten)}; fetch it again")
    parts = _all_there(Parts(tuple(index.with_name(name) for name in names), index, places))
    kinds = {container.name: container for container in map(container_of, parts.files)}
    if len(kinds) > 1 or any(container.model for container in kinds.values()):
        raise CheckpointError(f"{index} must name weights of one format, and names {_some(kinds)}; refused")
    return parts


def _all_there(parts: Parts) -> Parts:
    missing = [path.name for path in parts.files if not path.is_file()]
    if missing:
        raise CheckpointError(
            f"{parts.index or parts.files[0].parent} must have all {len(parts.files)} parts of the network beside it, "
            f"and {len(missing)} of them are missing: {_some(missing)}; fetch them"
        )
    return parts


def _in_folder(folder: Path) -> Parts:
    """The one network of a folder: by its index, by its numbered files, or its only checkpoint."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise CheckpointError(f"{folder} must be readable, and is not ({error.strerror}); check its name") from None
    networks: dict[frozenset[str], Path | None] = {}
    for index, places in _indexes(folder):
        networks[frozenset().union(*places.values())] = index
    for name in names:
        if is_checkpoint(folder / name) and not any(name in files for files in networks):
            networks[frozenset(_numbered(folder / name) or {name})] = None
    other = None if networks else folder_of(frozenset(names) | _inside(folder))
    if other is not None:
        raise CheckpointError(
            f"SOURCE must be a checkpoint that is read here, and {folder} is {other.what}; {other.step}"
        )
    networks = _same(networks)
    if len(networks) != 1:
        shown = [path.name if path else min(files) for files, path in networks.items()]
        what = f"has {len(networks)}, {_some(shown)}" if networks else "has none"
        raise CheckpointError(
            f"SOURCE must be a checkpoint file or a folder with one network, and {folder} is a folder and {what}; "
            "name the file"
        )
    files, found = next(iter(networks.items()))
    return _listed(found) if found else _all_there(Parts(tuple(folder / name for name in sorted(files))))


def _inside(folder: Path) -> frozenset[str]:
    """The names of the folders in a folder."""
    try:
        return frozenset(path.name for path in folder.iterdir() if path.is_dir())
    except OSError:
        return frozenset()


def _same(networks: dict[frozenset[str], Path | None]) -> dict[frozenset[str], Path | None]:
    """Of a network in several formats, as a model's page has them side by side, one: the first of ONE_OF."""
    if len(networks) > 1 and all(files <= set(ONE_OF) or index for files, index in networks.items()):
        for name in ONE_OF:
            for files, index in networks.items():
                if name in files or (index is not None and index.name.startswith(name)):
                    return {files: index}
    return networks


def _check_places(parts: Parts, found: Sequence[Checkpoint]) -> None:
    """Every key is in one part, and where there is an index, in the part that it says; nothing else is."""
    held: dict[str, list[str]] = {}
    for file, checkpoint in zip(parts.files, found, strict=True):
        for path in checkpoint.paths or tuple(checkpoint.tensors):
            held.setdefault(path, []).append(file.name)
    faults = {"in more than one part": [path for path, files in held.items() if len(files) > 1]}
    if parts.index:
        placed: dict[str, set[str]] = {}  # Keras's index lists groups of arrays, the others each array
        for path, files in held.items():
            placed.setdefault(f"/{path.rpartition('/')[0]}" if parts.layout == "keras" else path, set()).update(files)
        listed = parts.places
        faults["listed and in no part"] = [key for key in listed if key not in placed]
        faults["in a part and not listed"] = [key for key in placed if key not in listed]
        both = [key for key in placed if key in listed]
        faults["in another part than listed"] = [key for key in both if placed[key] != listed[key]]
    wrong = [f"{len(names)} {what}: {_some(names)}" for what, names in faults.items() if names]
    if wrong:
        subject = parts.index or parts.files[0].parent
        raise CheckpointError(
            f"{subject} must have every key once in its parts, but {'; '.join(wrong)}; fetch them again"
        )


def _some(names: Iterable[str]) -> str:
    """The first few names, and how many there are more."""
    listed = sorted(names)
    rest = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return ", ".join(listed[:MOST_NAMED]) + rest
