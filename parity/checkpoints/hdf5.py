"""HDF5 weights: Keras 3's `.weights.h5`, and the older `.h5` of weights or a whole model, whose code is never run."""

import io
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import CheckpointError
from parity.models.arrays import Array

from .checkpoint import Checkpoint, Labels, mapped, repeated, strict_json, view
from .hdf5_index import index
from .statements import statements
from .tensors import BFLOAT16, Tensor, values

MOST_ATTRIBUTE = 60_000  # bytes; HDF5 takes 64 KiB with its own
SECONDS = 9  # for the process that looks where the arrays lie
PASSED_OVER = ("optimizer/", "optimizer_weights/", "_metrics/", "compile_metrics/")
CLASSES = {4: "conv2d", 2: "dense", 1: "batch_normalization"}  # as Keras numbers them, by the axes of their weights
IN_CONTAINERS = re.compile(  # of functional models, wherever they are attributes
    r"((?:[^/]+/)*?)(?:(?:layers|_layer_checkpoint_dependencies)/[^/]+/)+vars/(\d+)"
)


def read_hdf5(
    path: Path,
    region: tuple[int, int] | None = None,
    *,
    trusted: bool = False,
    named: Callable[[], dict[str, str]] = dict,
) -> Checkpoint:
    """Read HDF5 weights, of the whole file or of a region (start, size) of it.

    named: the layers' names by the groups of their arrays, for a file that has none. Names come as "layer/leaf": the
    layer's path, or in a functional model's file its name. Raises CheckpointError.
    """
    found = _index(path, region, trusted)
    return _taken(path, region, found, found["names"] or named())


def read_hdf5_parts(paths: Sequence[Path]) -> list[Checkpoint]:
    """Read the files that Keras cut one network into. Raises CheckpointError.

    Keras makes the group of a layer, with the layer's name on it, before it sees that the layer's arrays belong into
    the next file, and makes it there without the name: what names a layer may stand in another part.
    """
    found = [_index(path, None, False) for path in paths]
    names: dict[str, str] = {}
    for path, each in zip(paths, found, strict=True):
        for group, name in each["names"].items():
            if names.setdefault(group, name) != name:
                raise CheckpointError(
                    f"{path} must name {group} as the other parts do, {names[group]}, and names it {name}; "
                    "the parts are of two networks: fetch them again"
                )
    return [_taken(path, None, each, names) for path, each in zip(paths, found, strict=True)]


def datasets(path: Path, region: tuple[int, int] | None = None) -> dict[str, Array]:
    """The arrays of a network by their paths in the file, whatever its layers are called. Raises CheckpointError."""
    found, data = _index(path, region, False), _part(path, region)
    return {
        stored: _array(data, f"{stored} in {path}", code, shape, offset)
        for stored, code, shape, offset in found["datasets"]
        if not _passed_over(stored)
    }


def suffix_of(path: Path) -> str:
    """The ending by which Keras knows how the weights of a file lie in it. Raises CheckpointError."""
    return ".h5" if _index(path, None, False)["legacy"] else ".weights.h5"


def _part(path: Path, region: tuple[int, int] | None) -> Array:
    return mapped(path)[region[0] : sum(region)] if region else mapped(path)


def _passed_over(stored: str) -> bool:
    return stored.startswith(PASSED_OVER) or "seed_generator" in stored


def _array(data: Array, subject: str, code: str, shape: list[int], offset: int | None) -> Array:
    if offset is None and 0 not in shape:
        raise CheckpointError(f"{subject} must have its values stored, and has none; save it again")
    dtype = BFLOAT16 if code == "bfloat16" else np.dtype(code)
    return view(data, subject, dtype, tuple(shape), offset or 0)


def _taken(path: Path, region: tuple[int, int] | None, found: dict[str, Any], names: dict[str, str]) -> Checkpoint:
    """The arrays of an index where they lie in the file. `names`: of the layers, by the group of their arrays."""
    data = _part(path, region)
    tensors: dict[str, Array] = {}
    passed, taken = 0, list[str]()
    for stored, code, shape, offset in found["datasets"]:
        if _passed_over(stored):
            passed += 1
            continue
        name = _legacy_name(stored) if found["legacy"] else _name(stored, names, path)
        taken.append(name)
        tensors[name] = _array(data, f"{stored} in {path}", code, shape, offset)
    notes = (f"{passed} arrays of the optimizer or of random state passed over",) if passed else ()
    paths = tuple(row[0] for row in found["datasets"])
    subject = f"model_config in {path}"
    stated = statements(strict_json(found["config"].encode(), subject), subject) if found["config"] else []
    return Checkpoint(tensors, found["model"], None, notes, tuple(repeated(taken)), paths, tuple(stated))


def _index(path: Path, region: tuple[int, int] | None, trusted: bool) -> dict[str, Any]:
    """See hdf5_index: made in another process unless the file is ours."""
    start, size = region or (0, 0)
    if trusted:
        return index(str(path), start, size if region else None)
    script = Path(__file__).with_name("hdf5_index.py")
    command = [sys.executable, "-P", "-W", "ignore", str(script), str(path.absolute()), str(start), str(size)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CheckpointError(f"{path} must open within {SECONDS} s, and did not; fetch it again") from None
    if done.returncode:
        raise CheckpointError(f"{path} must be sound HDF5, and made the library stop; fetch it again")
    found: dict[str, Any] = strict_json(done.stdout, f"the index of {path}")
    if "refused" in found:
        raise CheckpointError(f"{path} {found['refused']}; refused: save it with Keras again")
    if "damaged" in found:
        raise CheckpointError(f"{path} must be sound HDF5, and is not ({found['damaged']}); fetch it again")
    return found


def _legacy_name(stored: str) -> str:
    """ "model_weights/conv1_conv/conv1_conv/kernel:0" is conv1_conv/kernel: the outer group holds what it names."""
    inner = stored.removeprefix("model_weights/").partition("/")[2]
    return (inner or stored).removesuffix(":0")


def _name(stored: str, names: dict[str, str], path: Path) -> str:
    """A path of attributes stands for itself; "layers/conv2d_10/vars/0" needs the layer's name beside it."""
    inner = IN_CONTAINERS.fullmatch(stored)
    layer = names.get(stored.rpartition("/")[0])
    if inner is None or (inner[1] and layer is None):
        return stored  # of a layer with attributes of its own, whatever that lies in
    if layer is None:
        raise CheckpointError(
            f"{path} must name its layers, and has only numbers ({stored}), as tf-keras (Keras 2) and Keras before 3.6 "
            "write weights; save the whole model as .keras or .h5, which list its layers"
        )
    return f"{inner[1]}{layer}/vars/{inner[2]}"


def write_hdf5(path: Path, tensors: Sequence[Tensor], labels: Labels, legacy: bool = False) -> None:
    """Write weights for `model.load_weights`: Keras 3's layout, or with `legacy` the older one.

    The tensors come layer after layer in the order of `model.layers`. Raises OSError where the disk refuses.
    """
    import h5py

    with _Guarded(path, "w+") as target:
        with h5py.File(target, "w") as file:
            file.attrs["model"] = labels.model
            if legacy:
                _write_legacy(file, tensors)
            else:
                _write_vars(file, tensors, labels)
        if target.error is not None:
            raise target.error


class _Guarded(io.FileIO):
    """A file for HDF5 in which every write succeeds; the first that did not is kept.

    The library crashes the interpreter where it cannot write what it still holds, as on a full disk.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`, or keep the error and say that it was written."""
        rest = memoryview(data)
        while rest and self.error is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Set the file's size, or keep the error and say that it was set."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


def _write_vars(file: Any, tensors: Sequence[Tensor], labels: Labels) -> None:
    """Keras 3: a group "vars" for each layer; in a functional model's file the groups are numbered by class."""
    counts: Counter[str] = Counter()
    made = values(tensors)
    for layer, own in _grouped(tensors, "/vars/").items():
        group = layer
        if labels.containers:
            ranks = {len(tensor.shape) for tensor, _ in own}
            cls = next(name for rank, name in CLASSES.items() if rank in ranks)
            number = f"_{counts[cls]}" if counts[cls] else ""
            counts[cls] += 1
            group = f"{labels.containers[cls == CLASSES[2]]}{cls}{number}"
        variables = file.create_group(f"{group}/vars")
        variables.attrs["name"] = layer if labels.containers else layer.rpartition("/")[2]
        for _, leaf in own:
            _write_array(variables, leaf, next(made))


def _write_legacy(file: Any, tensors: Sequence[Tensor]) -> None:
    """Before Keras 3: a group for each layer at the top, which names its weights, running statistics last."""
    groups, made = _grouped(tensors, "/", first=True), values(tensors)
    _write_names(file, "layer_names", list(groups))
    file.attrs["backend"], file.attrs["keras_version"] = "tensorflow", "3.0.0"
    for layer, own in groups.items():
        group = file.create_group(layer)
        names = sorted((tensor.name for tensor, _ in own), key=lambda name: "/moving_" in name)
        _write_names(group, "weight_names", names)
        for tensor, _ in own:
            owner, _, leaf = tensor.name.rpartition("/")
            _write_array(group.require_group(owner), leaf, next(made))
    _write_names(file.create_group("top_level_model_weights"), "weight_names", [])


def _write_array(group: Any, name: str, array: Array) -> None:
    """`group[name] = array`, by HDF5's own calls: h5py's take longer than the writing."""
    from h5py import h5d, h5s, h5t

    dataset = h5d.create(group.id, name.encode(), h5t.py_create(array.dtype), h5s.create_simple(array.shape))
    dataset.write(h5s.ALL, h5s.ALL, array)


def _write_names(owner: Any, attribute: str, names: list[str]) -> None:
    """A list of names as an attribute, in parts where it exceeds what HDF5 takes, as Keras numbers them."""
    encoded = np.array([name.encode() for name in names], "S") if names else np.array([], "S1")
    parts = np.array_split(encoded, -(-encoded.nbytes // MOST_ATTRIBUTE) or 1)
    for number, part in enumerate(parts):
        owner.attrs[attribute if len(parts) == 1 else f"{attribute}{number}"] = part


def _grouped(tensors: Sequence[Tensor], mark: str, first: bool = False) -> dict[str, list[tuple[Tensor, str]]]:
    """(tensor, leaf) by layer: what stands before the last `mark`, or with `first` before the first."""
    found: dict[str, list[tuple[Tensor, str]]] = {}
    for tensor in tensors:
        layer, _, leaf = tensor.name.partition(mark) if first else tensor.name.rpartition(mark)
        found.setdefault(layer, []).append((tensor, leaf))
    return found
