"""What a few of a pickle's calls mean for weights: tensors of torch and arrays of NumPy. The rest stays a `Thing`.

Nothing is imported for it: a name is compared with the names below, and a tensor becomes a view of the file's bytes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.errors import CheckpointError
from parity.models.arrays import Array

from .instructions import read
from .pickles import Global, Machine, PickleFault, Thing
from .tensors import BFLOAT16

MOST_REPEATED = 1 << 20  # bytes of a tensor that repeats the few that are stored
DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": BFLOAT16,
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
    "complex64": np.dtype("<c8"),
    "complex128": np.dtype("<c16"),
}
STORAGES = {  # torch's classes of typed storages
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}
DICTS = ("collections.OrderedDict", "builtins.dict", "collections.defaultdict")
NUMPY = "numpy."


@dataclass(frozen=True)
class Storage:
    """Memory that tensors are views of: bytes of the file, in a dtype, or of none that NumPy has."""

    data: Array  # bytes
    dtype: str


@dataclass(frozen=True, eq=False)
class Odd:
    """A tensor that is no array of numbers: what it is instead."""

    what: str


@dataclass(frozen=True)
class Dtype:
    """A dtype of torch's or NumPy's, by name."""

    name: str


def meaning(thing: Any) -> Any:
    """What a name or an object of a pickle stands for: an array, a dictionary, plain values, or itself."""
    if isinstance(thing, Global):
        return _of_name(thing)
    if not isinstance(thing, Thing):
        return thing
    if thing.state is not None:
        return _with_state(thing)
    reader = CALLS.get(thing.name)
    if reader is None and thing.name.startswith(NUMPY):
        reader = NUMPY_CALLS.get(thing.name.rpartition(".")[2])
    return thing if reader is None else reader(thing.args)


def _of_name(name: Global) -> Any:
    module, _, last = name.name.rpartition(".")
    if module == "torch" and (last in DTYPES or last.startswith(("float8", "uint", "int", "q"))):
        return Dtype(last)
    if module in ("torch", "torch.cuda", "torch.storage") and last.endswith("Storage"):
        kind = last.removesuffix("Storage")
        return Dtype(STORAGES.get(kind, "bytes" if kind in ("Untyped", "Typed") else kind))
    return name


def _tensor(args: tuple[Any, ...], dtype: str = "") -> Any:
    storage, offset, shape, strides = args[:4]
    if isinstance(storage, Odd) or not isinstance(storage, Storage):
        return Odd("a tensor without a storage")
    if not (_sizes(shape) and _sizes(strides) and len(shape) == len(strides)):
        raise PickleFault("a tensor has no sound shape")
    kind = DTYPES.get(dtype or storage.dtype)
    if kind is None:
        return Odd(dtype or storage.dtype)
    return viewed(storage.data, kind, int(offset), tuple(shape), tuple(strides))


def viewed(data: Array, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """The array at an offset of a storage, with strides, all of them numbers of elements. Raises PickleFault."""
    reach = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    count = math.prod(shape)
    reach = reach if count else 0
    start, size = offset * dtype.itemsize, reach * dtype.itemsize
    repeated = count * dtype.itemsize > max(size, MOST_REPEATED)
    if offset < 0 or start + size > data.size or repeated:
        raise PickleFault(f"a tensor of shape {list(shape)} is larger than what is stored for it")
    flat = data[start : start + size].view(dtype)
    if not count:
        return np.empty(shape, dtype)
    steps = tuple(stride * dtype.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(flat, shape, steps, writeable=False)


def _sizes(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(type(size) is int and size >= 0 for size in value)


def _tensor_v3(args: tuple[Any, ...]) -> Any:
    dtype = args[6]
    return _tensor(args, dtype.name if isinstance(dtype, Dtype) else "an unknown dtype")


def _parameter(args: tuple[Any, ...]) -> Any:
    return args[0]


def _from_type(args: tuple[Any, ...]) -> Any:
    """A tensor of a class of its own: what it is made of, where that is a plain one."""
    function, cls, given = args[:3]
    own = cls.name if isinstance(cls, Global) else ""
    if not isinstance(function, Global) or not own.startswith("torch.nn.parameter."):
        return Odd(own.rpartition(".")[2] or "a tensor of a class of its own")
    return meaning(Thing(function, tuple(given)))


def _odd(what: str) -> Callable[[tuple[Any, ...]], Any]:
    return lambda args: Odd(what)


def _dictionary(args: tuple[Any, ...]) -> dict[Any, Any]:
    pairs = next((each for each in args if isinstance(each, dict | list)), ())
    return dict(pairs) if isinstance(pairs, dict) else {str(pair[0]): pair[1] for pair in pairs}


def _encoded(args: tuple[Any, ...]) -> Any:
    text, *rest = args
    return text.encode("latin-1") if isinstance(text, str) and rest in (["latin1"], ["latin-1"]) else text


def _pair(value: Any) -> Any:
    """A tuple; of a name and an array, as Paddle pickles its tensors, the array."""
    held = tuple(value) if isinstance(value, list | tuple) else ()
    return held[1] if len(held) == 2 and isinstance(held[0], str) and isinstance(held[1], np.ndarray) else held


def _list(args: tuple[Any, ...]) -> list[Any]:
    return list(args[0]) if args and isinstance(args[0], list | tuple) else []


CALLS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch._utils._rebuild_qtensor": _odd("quantised"),
    "torch._utils._rebuild_sparse_tensor": _odd("sparse"),
    "torch._utils._rebuild_sparse_csr_tensor": _odd("sparse"),
    "torch._utils._rebuild_wrapper_subclass": _odd("a tensor of a class of its own"),
    "torch._utils._rebuild_meta_tensor_no_storage": _odd("on the meta device, without values"),
    "torch._utils._rebuild_device_tensor_from_numpy": _parameter,
    "torch.Size": lambda args: tuple(args[0]) if args and isinstance(args[0], list | tuple) else (),
    "torch.device": lambda args: str(args[0]) if args else "",
    "torch.storage._load_from_bytes": lambda args: Odd("a torch file inside of a pickle"),
    "_codecs.encode": _encoded,
    "builtins.tuple": lambda args: _pair(args[0]) if args else (),
    "__builtin__.tuple": lambda args: _pair(args[0]) if args else (),
    "builtins.bytes": lambda args: args[0] if args and isinstance(args[0], bytes) else b"",
    "__builtin__.bytes": lambda args: args[0] if args and isinstance(args[0], bytes) else b"",
    "builtins.list": _list,
    "builtins.set": _list,
    "builtins.frozenset": _list,
    "__builtin__.set": _list,
    "pathlib.PosixPath": lambda args: "/".join(map(str, args)),
} | dict.fromkeys(DICTS, _dictionary)


def _reconstructed(args: tuple[Any, ...]) -> Any:
    return Thing(Global("numpy.ndarray"))


def _buffered(args: tuple[Any, ...]) -> Any:
    """An array as pickles of protocol 5 have it: (bytes, dtype, shape, order)."""
    raw, dtype, shape, order = args[:4]
    return _from_bytes(raw, dtype, shape, order == "F")


def _scalar(args: tuple[Any, ...]) -> Any:
    dtype, raw = (*args, b"")[:2]
    kind = _plain_dtype(dtype)
    if kind is None or not isinstance(raw, bytes) or len(raw) != kind.itemsize:
        return Odd("a NumPy scalar")
    return np.frombuffer(raw, kind)[0].item()


NUMPY_CALLS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "_reconstruct": _reconstructed,
    "_frombuffer": _buffered,
    "scalar": _scalar,
}


def _plain_dtype(dtype: Any) -> np.dtype[Any] | None:
    """NumPy's dtype of what pickled one is, the call dtype("f4") and a state with the order; None but for numbers."""
    given = dtype.args[:1] if isinstance(dtype, Thing) and dtype.name == "numpy.dtype" else ()
    order = dtype.state[1] if given and isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "|"
    name = f"{order}{given[0]}" if given else ""
    letters = name.lstrip("<>=|")
    if letters[:1] not in "fiub" or not letters[1:].isdigit() or len(name) > 4:
        return None
    return np.dtype(name)


def _with_state(thing: Thing) -> Any:
    if thing.name != "numpy.ndarray":
        return thing
    _, shape, dtype, fortran, raw = (*thing.state, *[None] * 5)[:5]
    return _from_bytes(raw, dtype, shape, bool(fortran))


def _from_bytes(raw: Any, dtype: Any, shape: Any, fortran: bool) -> Any:
    kind = _plain_dtype(dtype)
    if kind is None or not _sizes(shape) or not isinstance(raw, bytes):
        return Odd("an array of objects")
    if math.prod(shape) * kind.itemsize != len(raw):
        raise PickleFault("an array has not the bytes of its shape")
    array = np.frombuffer(raw, kind)
    return array.reshape(tuple(shape), order="F" if fortran else "C")


def unpickled(data: Any, subject: str, at: int = 0, stored: Callable[[Any], Any] | None = None) -> tuple[Any, int]:
    """The value of a pickle, and where it ends. Raises CheckpointError for one that is unsound."""
    machine = Machine(data, at, meaning, stored)
    try:
        return read(machine), machine.at
    except PickleFault as fault:
        raise CheckpointError(f"{subject} must be a sound pickle, and is not ({fault}); fetch it again") from None
