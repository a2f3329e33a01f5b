"""Images for the examples, as NumPy arrays: MNIST, CIFAR-10 from a file, scikit-learn's digits; and their order.

MNIST by download is each framework's own loader's business; everything else is here, and the same for both.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .command import ExampleError

Array = np.ndarray[Any, Any]
Raw = tuple[tuple[Array, Array], tuple[Array, Array]]  # (images, labels) to train and to test, as Keras's loaders give
VALIDATION = 0.1  # of the training images
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@dataclass(frozen=True)
class Part:
    """Images (N, H, W, C), float32 from 0 to 1, and labels (N,), int64."""

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.y)

    def only(self, chosen: Array) -> "Part":
        """The images at these places."""
        return Part(self.x[chosen], self.y[chosen])


@dataclass(frozen=True)
class Data:
    """Images to train on, to watch the training with, and to judge the result by once."""

    name: str
    train: Part
    validation: Part
    test: Part

    @property
    def size(self) -> int:
        return int(self.train.x.shape[1])

    @property
    def channels(self) -> int:
        return int(self.train.x.shape[3])

    def map(self, change: Callable[[Part], Part]) -> "Data":
        """The same with every part changed."""
        return Data(self.name, change(self.train), change(self.validation), change(self.test))


def mnist(download: Callable[[], Raw]) -> Data:
    """MNIST by a framework's own loader. Raises ExampleError where that fails, with the ways to do without."""
    try:
        raw = download()
    except Exception as error:  # noqa: BLE001 - the loaders raise RuntimeError, URLError or a bare Exception
        why = " ".join(str(error).split())[:160]
        raise ExampleError(
            f"MNIST must be downloaded once, and that failed ({why}); pass the file with --data FILE, or use "
            "--dataset digits, which needs no network"
        ) from None
    return split("MNIST", raw)


def split(name: str, raw: Raw) -> Data:
    """Scale to 0..1 and set the last tenth of the training images aside, as Keras's `validation_split` does."""
    (x, y), (x_test, y_test) = raw
    train, test = _part(name, x, y), _part(name, x_test, y_test)
    if train.x.shape[1:] != test.x.shape[1:]:
        raise ExampleError(
            f"{name} must have images of one size, and has {train.x.shape[1:]} to train on and {test.x.shape[1:]} to "
            "test with; get the file again"
        )
    kept = int(len(train) * (1 - VALIDATION))
    if kept < 2 or kept == len(train):
        raise ExampleError(f"{name} must have 3 or more images to train on, and has {len(train)}; get the file again")
    return Data(name, Part(train.x[:kept], train.y[:kept]), Part(train.x[kept:], train.y[kept:]), test)


def _part(name: str, x: Array, y: Array) -> Part:
    square = x.ndim in (3, 4) and x.shape[1] == x.shape[2] and x.dtype == np.uint8
    labels = y.shape in ((len(x),), (len(x), 1)) and np.issubdtype(y.dtype, np.integer) and len(y)
    if not square or not labels or y.min() < 0 or y.max() > 9:
        raise ExampleError(
            f"{name} must hold uint8 images (N, H, H) or (N, H, H, C) and a label from 0 to 9 for each, and holds "
            f"{x.dtype} {x.shape} and {y.dtype} {y.shape}; pass another file"
        )
    images = x.astype(np.float32) / np.float32(255)
    return Part(images if x.ndim == 4 else images[..., None], y.reshape(-1).astype(np.int64))


def digits(times: int) -> Data:
    """scikit-learn's 1,797 handwritten digits, 8 x 8, each pixel repeated `times` x `times`; a fifth to test with."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = np.uint8(bunch.images * 255 / 16).repeat(times, 1).repeat(times, 2)
    x, x_test, y, y_test = train_test_split(images, bunch.target, test_size=0.2, random_state=0, stratify=bunch.target)
    return split("digits", ((x, y), (x_test, y_test)))


def from_file(path: Path) -> Data:
    """MNIST from `mnist.npz` or from IDX files, plain or gzip; CIFAR-10 from its binary version or an npz.

    Of IDX, any one of the four files names the folder of all. Raises ExampleError.
    """
    try:
        if path.is_dir() or path.name.endswith((".tar.gz", ".tgz", ".tar", ".bin")):
            return split(path.name, _cifar(path))
        content = _content(path)
        return split(path.name, _npz(path, content) if content[:2] == b"PK" else _idx(path))
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
        raise ExampleError(f"--data {path} must be readable, and is not ({why}); check the name") from None


def _content(path: Path) -> bytes:
    """The bytes of a file, unpacked where they are gzip, which the first two tell and not the name."""
    content = path.read_bytes()
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except Exception as error:  # noqa: BLE001 - zlib.error, BadGzipFile, EOFError
        raise ExampleError(f"--data {path} must be a whole gzip file, and is not ({error}); get it again") from None


def _npz(path: Path, content: bytes) -> Raw:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])
    except Exception as error:  # noqa: BLE001 - a damaged archive makes NumPy and zipfile raise nearly anything
        why = " ".join(str(error).split())
        raise ExampleError(
            f"--data {path} must hold x_train, y_train, x_test and y_test, and does not ({why}); get it again"
        ) from None


def _idx(path: Path) -> Raw:
    kinds = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    found = next((kind for kind in kinds if kind in path.name), None)
    if found is None:
        raise ExampleError(
            f"--data {path} must be an npz or one of MNIST's four IDX files, which are named like "
            "train-images-idx3-ubyte.gz, and is neither; rename it or pass another"
        )
    x, y, x_test, y_test = (_idx_array(_sibling(path, found, kind)) for kind in kinds)
    return (x, y), (x_test, y_test)


def _sibling(path: Path, found: str, wanted: str) -> Path:
    name = path.name.replace(found, wanted)
    name = name.replace("idx3", "idx1") if wanted.endswith("labels") else name.replace("idx1", "idx3")
    bare = name.removesuffix(".gz")
    for candidate in (path.with_name(name), path.with_name(bare), path.with_name(bare + ".gz")):
        if candidate.is_file():
            return candidate
    raise ExampleError(f"--data {path} must have {name} beside it, and has not; MNIST is four files: put them together")


def _idx_array(path: Path) -> Array:
    """An IDX array: two zero bytes, the type, the number of axes, their big-endian lengths, the numbers."""
    content = _content(path)
    axes = content[3] if len(content) > 3 else 0
    start = 4 + 4 * axes
    if content[:2] != b"\0\0" or len(content) < start or content[2] not in IDX_TYPES or not axes:
        raise ExampleError(f"{path} must be an IDX file, and does not begin like one; get it again")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", axes, 4))
    dtype = np.dtype(IDX_TYPES[content[2]])
    needed = dtype.itemsize
    for length in shape:  # Python's numbers: NumPy's would overflow on a damaged header
        needed *= length
    if len(content) - start != needed:
        raise ExampleError(
            f"{path} must hold {needed} bytes of numbers for its shape {shape}, and holds {len(content) - start}; "
            "the file is damaged: get it again"
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


def _cifar(path: Path) -> Raw:
    """CIFAR-10's binary version: records of a label and 3 x 32 x 32 pixels; the Python version is pickled."""
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    batches = dict(_cifar_files(path, names))
    if missing := [name for name in names if name not in batches]:
        raise ExampleError(
            f"--data {path} must hold {', '.join(missing)}, and does not; pass cifar-10-binary.tar.gz or its folder"
        )
    records = {}
    for name, content in batches.items():
        if not content or len(content) % 3073:
            raise ExampleError(f"{name} in {path} must hold records of 3073 bytes, and does not; get it again")
        records[name] = np.frombuffer(content, np.uint8).reshape(-1, 3073)
    train, test = np.concatenate([records[name] for name in names[:-1]]), records[names[-1]]
    x, x_test = (part[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1) for part in (train, test))
    return (x, train[:, 0]), (x_test, test[:, 0])


def _cifar_files(path: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    if path.is_dir() or path.suffix == ".bin":
        folder = path if path.is_dir() else path.parent
        for name in names:
            if (folder / name).is_file():
                yield name, (folder / name).read_bytes()
        return
    with tarfile.open(path) as archive:
        for member in archive:
            name = Path(member.name).name
            file = archive.extractfile(member) if name in names and member.isfile() else None
            if file is not None:
                yield name, file.read()


def order(count: int, seed: int, epoch: int) -> Array:
    """The order of the images in an epoch. It depends on nothing else: a resumed run, and either framework, has it."""
    return np.random.default_rng([seed, epoch]).permutation(count)
