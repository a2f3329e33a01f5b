"""A trace as a safetensors file: what one side's run computed, its weights and its input, and what is known of them.

Arrays, in torch's layout: "input", of several "input/NAME", "weight/conv1.weight", "output/conv1" in float64,
"low/conv1" in the asked dtype, "forced/conv1" in float64 on the other side's input, where that differs. The rest is
JSON in the metadata. Nothing in it is ever executed.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parity.errors import ParityError, UnwritableError
from parity.models.inputs import INPUT, Inputs, decoded, encoded, inputs_of
from parity.models.kinds.noise import Noise
from parity.models.layers import LayerInfo
from parity.models.source import sources
from parity.models.steps import StepInfo
from parity.verdict.difference import Difference

from .recording import Place, Shelf

SCHEMA = 1
KEY = "parity"
DTYPES = {
    "<f8": "F64",
    "<f4": "F32",
    "<i8": "I64",
    "<i4": "I32",
    "<i2": "I16",
    "|i1": "I8",
    "<f2": "F16",
    "|b1": "BOOL",
    "|u1": "U8",
}
NUMPY = {name: dtype for dtype, name in DTYPES.items()}


@dataclass
class Header:
    """What a trace says of the run, without its arrays.

    inputs: how a call holds several inputs. forced: what each step adds, fed the numbers of the trace whose `identity`
    is `against`.
    """

    framework: str
    target: str
    dtype: str
    seed: int
    steps: list[StepInfo]
    layers: list[LayerInfo]
    environment: dict[str, Any]
    rounding: dict[str, Difference] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    identity: str = ""
    against: str = ""
    forced: dict[str, Difference] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA


class Stored(NamedTuple):
    """An array to be written, and the shelf that it lies on."""

    name: str
    shelf: Shelf
    place: Place


@dataclass(frozen=True)
class Trace:
    """A trace that was read: its header, and where its arrays lie in the file, which stays open as a Shelf."""

    path: Path
    header: Header
    shelf: Shelf
    places: dict[str, Place]

    def group(self, name: str) -> dict[str, Place]:
        """The arrays of one kind, "output", by the key of their step or tensor."""
        return {key.partition("/")[2]: place for key, place in self.places.items() if key.startswith(f"{name}/")}

    def input(self) -> Inputs:
        """What the model ran on, the batch first, axes in torch's order."""
        if not self.header.inputs:
            return inputs_of(self.shelf.get(self.places["input"]))
        arrays = {name: self.shelf.get(place) for name, place in self.group("input").items()}
        form, words = self.header.inputs["form"], self.header.inputs["words"]
        return Inputs({name: arrays[name] for name in self.header.inputs["names"]}, decoded(form), tuple(words))

    def renamed(self, keys: dict[str, str]) -> "Trace":
        """The same with other keys for some steps."""

        def named(found: dict[str, Any]) -> dict[str, Any]:
            return {keys.get(key, key): value for key, value in found.items()}

        old = self.header
        steps = [replace(step, key=keys.get(step.key, step.key)) for step in old.steps]
        told = named(old.rounding), named(old.notes), named(old.forced)
        header = replace(old, steps=steps, rounding=told[0], notes=told[1], forced=told[2])
        split = ((*name.partition("/"), place) for name, place in self.places.items())
        places = {f"{kind}{slash}{keys.get(key, key)}": place for kind, slash, key, place in split}
        return replace(self, header=header, places=places)


def described(x: Inputs) -> dict[str, Any]:
    """How a call holds its inputs, as JSON has it; nothing of a single one."""
    if len(x.arrays) == 1 and len(x.entries) == 1 and isinstance(x.form, tuple):
        return {}
    return {"names": list(x.names), "words": list(x.words), "form": encoded(x.form)}


def stored_inputs(x: Inputs, shelf: Shelf) -> "list[Stored]":
    """Every input, put on the shelf to be written."""
    name = f"{INPUT}/{{}}" if described(x) else INPUT
    return [Stored(name.format(key), shelf, shelf.put(array)) for key, array in x.arrays.items()]


def write_trace(path: Path, header: Header, arrays: Iterable[Stored]) -> None:
    """Write a trace, one array at a time, under a temporary name that is then changed. Raises UnwritableError."""
    arrays = list(arrays)
    header.identity = hashlib.sha256(os.urandom(32)).hexdigest()
    entries: dict[str, Any] = {"__metadata__": {KEY: json.dumps(asdict(header))}}
    end = 0
    for name, _, place in arrays:
        size = int(np.prod(place.shape)) * np.dtype(place.dtype).itemsize
        shape = [place.shape[axis] for axis in np.argsort(place.order)]
        entries[name] = {"dtype": DTYPES[place.dtype], "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for _, shelf, place in arrays:
                file.write(np.ascontiguousarray(shelf.get(place)).reshape(-1).view(np.uint8).data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UnwritableError(
            f"--output {path} must be a file that can be written, and is not ({error.strerror}); choose another place"
        ) from None


def read_trace(path: Path) -> Trace:
    """Open a trace. Raises ParityError for a file that is none, or is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:  # checks that the header and the file fit each other
            header = _header(json.loads((file.metadata() or {})[KEY]))
        descriptor = os.open(path, os.O_RDONLY)
        places = _places(descriptor)
    except FileNotFoundError:
        raise ParityError(f"{path} must be a trace, and there is no such file; capture it first") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParityError(
            f"{path} must be a trace that parity.capture wrote, and is none or is damaged ({str(error)[:80]}); "
            "capture it again"
        ) from None
    if header.schema != SCHEMA:
        raise ParityError(f"{path} must be a trace of schema {SCHEMA}, and is of {header.schema}; capture it again")
    return Trace(path, header, Shelf(descriptor), places)


def _header(document: dict[str, Any]) -> Header:
    document["steps"] = [_step(entry) for entry in document["steps"]]
    document["layers"] = [_layer(entry) for entry in document["layers"]]
    for name in ("rounding", "forced"):
        document[name] = {key: _difference(entry) for key, entry in document[name].items()}
    return Header(**document)


def _step(entry: dict[str, Any]) -> StepInfo:
    for name in ("shape", "sources", "origins"):
        entry[name] = None if entry[name] is None else tuple(entry[name])
    if entry["order"] is not None:
        key, order = entry["order"]
        entry["order"] = key, tuple(order)
    if entry.get("noise") is not None:
        entry["noise"] = Noise(**entry["noise"] | {"shared": tuple(entry["noise"]["shared"])})
    entry["called"] = sources(entry.get("called"))
    return StepInfo(**entry)


def _layer(entry: dict[str, Any]) -> LayerInfo:
    entry["weights"] = {name: tuple(shape) for name, shape in entry["weights"].items()}
    return LayerInfo(**entry | {"made": sources(entry.get("made"))})


def _difference(entry: dict[str, Any]) -> Difference:
    entry["where"] = None if entry["where"] is None else tuple(entry["where"])
    return Difference(**entry)


def _places(descriptor: int) -> dict[str, Place]:
    length = int.from_bytes(os.pread(descriptor, 8, 0), "little")
    entries = json.loads(os.pread(descriptor, length, 8))
    del entries["__metadata__"]
    start = 8 + length
    return {
        name: Place(
            start + entry["data_offsets"][0],
            NUMPY[entry["dtype"]],
            tuple(entry["shape"]),
            tuple(range(len(entry["shape"]))),
        )
        for name, entry in entries.items()
    }
