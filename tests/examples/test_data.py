"""Where the examples' images come from, and what is said of files that are not what they should be."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from examples import data
from examples.command import ExampleError

from .helpers import small_mnist

IDX = {"train-images-idx3-ubyte": "x_train", "train-labels-idx1-ubyte": "y_train"}
IDX |= {"t10k-images-idx3-ubyte": "x_test", "t10k-labels-idx1-ubyte": "y_test"}


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    return small_mnist(tmp_path / "mnist.npz")


def write_idx(npz: Path, folder: Path, packed: tuple[str, ...] = ()) -> None:
    with np.load(npz) as arrays:
        for name, key in IDX.items():
            content = idx(arrays[key])
            path = folder / (f"{name}.gz" if name in packed else name)
            path.write_bytes(gzip.compress(content) if name in packed else content)


def same(ours: data.Data, theirs: data.Data) -> None:
    for name in ("train", "validation", "test"):
        a, b = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.y, b.y)


def test_npz(npz: Path) -> None:
    images = data.from_file(npz)
    with np.load(npz) as arrays:
        np.testing.assert_array_equal(images.train.x[..., 0], arrays["x_train"][:108] / np.float32(255))
        np.testing.assert_array_equal(images.validation.y, arrays["y_train"][108:])
    assert images.test.x.shape == (40, 8, 8, 1)
    assert images.train.x.dtype == np.float32
    assert images.train.x.max() == 1


@pytest.mark.parametrize("packed", [(), tuple(IDX), ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte")])
@pytest.mark.parametrize("given", list(IDX)[::2])
def test_idx_plain_and_gzip(npz: Path, tmp_path: Path, packed: tuple[str, ...], given: str) -> None:
    write_idx(npz, tmp_path, packed)
    same(data.from_file(tmp_path / (f"{given}.gz" if given in packed else given)), data.from_file(npz))


def test_gzip_npz_whatever_its_name(npz: Path, tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(gzip.compress(npz.read_bytes()))
    same(data.from_file(tmp_path / "packed"), data.from_file(npz))


def cifar(folder: Path, count: int = 20) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    files = {}
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        records = random.integers(0, 256, (count, 3073)).astype(np.uint8)
        records[:, 0] = np.arange(count) % 10
        files[name] = records.tobytes()
        (folder / name).write_bytes(files[name])
    return files


def test_cifar_folder_and_archive(tmp_path: Path) -> None:
    files = cifar(tmp_path)
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    images = data.from_file(tmp_path)
    same(data.from_file(tmp_path / "cifar-10-binary.tar.gz"), images)
    first = np.frombuffer(files["data_batch_1.bin"], np.uint8)[:3073]
    np.testing.assert_array_equal(images.train.x[0, :, :, 2] * 255, first[2049:].reshape(32, 32))
    assert images.train.y[:3].tolist() == [0, 1, 2]


def test_digits() -> None:
    images = data.digits(2)
    assert (len(images.train), len(images.validation), len(images.test)) == (1293, 144, 360)
    assert images.train.x.shape[1:] == (16, 16, 1)
    np.testing.assert_array_equal(images.train.x[:, ::2], images.train.x[:, 1::2])
    assert np.bincount(images.test.y).min() >= 34  # every digit's share
    shown = {image.tobytes() for image in images.train.x}
    assert sum(image.tobytes() in shown for image in images.test.x) == 0


def test_order_is_another_in_every_epoch_and_for_every_seed() -> None:
    orders = {data.order(50, seed, epoch).tobytes() for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert sorted(data.order(50, 1, 2)) == list(range(50))
    np.testing.assert_array_equal(data.order(50, 1, 2), data.order(50, 1, 2))


DAMAGED = {
    "empty": (b"", "neither"),
    "noise.npz": (b"\x01" * 99, "neither"),
    "cut.npz": (b"PK\x03\x04" + b"\0" * 50, "get it again"),
    "cut.gz": (gzip.compress(b"\0" * 999)[:-20], "whole gzip file"),
    "train-images-idx3-ubyte": (b"\0\0\x08\x03" + b"\xff" * 12 + b"1", "damaged"),
    "train-labels-idx1-ubyte": (b"hello, this is no IDX file", "does not begin like one"),
    "data_batch_1.bin": (b"x" * 100, "data_batch_2.bin"),
    "folder.tar.gz": (b"not a tar", "must be readable"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_file(tmp_path: Path, name: str) -> None:
    content, said = DAMAGED[name]
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 8, 8), np.uint8)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(2, np.uint8)))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 8, 8), np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(2, np.uint8)))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ExampleError, match=said) as caught:
        data.from_file(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_file_and_missing_sibling(tmp_path: Path) -> None:
    with pytest.raises(ExampleError, match="No such file"):
        data.from_file(tmp_path / "mnist.npz")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 8, 8), np.uint8)))
    with pytest.raises(ExampleError, match="must have train-labels-idx1-ubyte beside it"):
        data.from_file(tmp_path / "train-images-idx3-ubyte")


@pytest.mark.parametrize(
    "wrong",
    [{"x_train": np.zeros((9, 8, 8))}, {"x_train": np.zeros((9, 8, 7), np.uint8)}, {"y_train": np.full(9, 10)},
     {"y_train": np.zeros(8, int)}, {"x_test": np.zeros((9, 9, 9), np.uint8)}],
)  # fmt: skip
def test_arrays_that_are_not_images(tmp_path: Path, wrong: dict[str, np.ndarray]) -> None:
    x, y = np.zeros((9, 8, 8), np.uint8), np.zeros(9, int)
    arrays = {"x_train": x, "y_train": y, "x_test": x, "y_test": y} | wrong
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(ExampleError, match="must h"):
        data.from_file(tmp_path / "a.npz")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    evil = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "a.npz", x_train=evil, y_train=evil, x_test=evil, y_test=evil, allow_pickle=True)
    with pytest.raises(ExampleError, match="Object arrays cannot be loaded"):
        data.from_file(tmp_path / "a.npz")
