"""Published weights: which there are, how images are prepared for them, and a cache of verified files.

This file is byte-identical in `resnet_torch` and `resnet_keras`, and imports neither framework. Weights, accuracies
(ImageNet-1k validation, top 1, in percent) and preprocessing are torchvision's; a file is named after the first eight
digits of its SHA-256.
"""

import hashlib
import http.client
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

URL = "https://download.pytorch.org/models"
MIRROR = "RESNET_WEIGHTS_URL"  # an environment variable that names another place with the same files
TRIES, SECONDS, CHUNK = 3, 30, 1 << 20
HEADS = ("reset", "slice")  # what a model with another number of classes does with the published classifier
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class WeightsError(ValueError):
    """Weights that do not exist, cannot be had or do not fit; one sentence with the next step."""


@dataclass(frozen=True)
class Weights:
    """One published file. Images are resized to `resize` on the shorter side and cropped to `crop` in the middle."""

    sha256: str
    acc1: float
    resize: int = 256
    crop: int = 224
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD


def _v1(sha256: str, acc1: float) -> dict[str, Weights]:
    return {"IMAGENET1K_V1": Weights(sha256, acc1)}


def _v2(sha256: str, acc1: float) -> dict[str, Weights]:
    """torchvision's second recipe, evaluated on slightly larger images."""
    return {"IMAGENET1K_V2": Weights(sha256, acc1, resize=232)}


PUBLISHED: dict[str, dict[str, Weights]] = {
    "resnet18": _v1("f37072fd", 69.758),
    "resnet34": _v1("b627a593", 73.314),
    "resnet50": _v1("0676ba61", 76.130) | _v2("11ad3fa6", 80.858),
    "resnet101": _v1("63fe2227", 77.374) | _v2("cd907fc2", 81.886),
    "resnet152": _v1("394f9c45", 78.312) | _v2("f82ba261", 82.284),
    "resnext50_32x4d": _v1("7cdf4587", 77.618) | _v2("1a0047aa", 81.198),
    "resnext101_32x8d": _v1("8ba56ff5", 79.312) | _v2("110c445d", 82.834),
    "resnext101_64x4d": {"IMAGENET1K_V1": Weights("173b62eb", 83.246, resize=232)},  # by the second recipe
    "wide_resnet50_2": _v1("95faca4d", 78.468) | _v2("9ba9bcbe", 81.602),
    "wide_resnet101_2": _v1("32ee1156", 78.848) | _v2("d733dc28", 82.510),
}


def published(name: str, weights: str) -> Weights:
    """The row of a variant's weights. Raises WeightsError, which lists what there is."""
    rows = PUBLISHED.get(name, {})
    if weights not in rows:
        there = f"one of {', '.join(rows)}, or a file" if rows else "a file, since none are published for it"
        raise WeightsError(f"weights of {name} must be {there}, got {weights!r}; choose one")
    return rows[weights]


def preprocess(image: Any, name: str, weights: str) -> np.ndarray[Any, Any]:
    """A PIL image or (H, W, 3) uint8 array as float32 (3, crop, crop), as those weights of that variant want it.

    Resized (bilinear, as torchvision does), cropped, scaled to 0..1, normalised. The same array for both frameworks:
    PyTorch takes `array[None]`, Keras `np.moveaxis(array, 0, -1)[None]`. Raises WeightsError for unknown weights.
    """
    from PIL import Image

    row = published(name, weights)
    image = (image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))).convert("RGB")
    width, height = image.size
    short = min(width, height)
    size = [row.resize if side == short else int(row.resize * side / short) for side in (width, height)]
    image = image.resize((size[0], size[1]), Image.Resampling.BILINEAR)
    left, top = (round((side - row.crop) / 2) for side in size)
    image = image.crop((left, top, left + row.crop, top + row.crop))
    array: np.ndarray[Any, Any] = np.asarray(image, np.float32) / np.float32(255)
    array = (array - np.asarray(row.mean, np.float32)) / np.asarray(row.std, np.float32)
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def fit_channels(kernel: np.ndarray[Any, Any], axis: int, channels: int) -> np.ndarray[Any, Any]:
    """The first convolution's kernel for another number of input channels.

    For one channel the kernels of all are summed: a grey image gives what it gave as three equal channels. For more
    they are repeated in turn and scaled by the ratio of the numbers.
    """
    held = kernel.shape[axis]
    if channels == held:
        return kernel
    if channels == 1:
        return kernel.sum(axis, keepdims=True)
    repeated = np.take(kernel, np.arange(channels) % held, axis)
    return (repeated * (held / channels)).astype(kernel.dtype)


def fit_classes(array: np.ndarray[Any, Any], axis: int, classes: int) -> np.ndarray[Any, Any]:
    """The rows of the first `classes` classes. Raises WeightsError where there are fewer."""
    held = array.shape[axis]
    if classes > held:
        raise WeightsError(f'head="slice" needs at most the {held} classes of the weights, got {classes}; use "reset"')
    return np.take(array, np.arange(classes), axis)


def fetch(name: str, weights: str, folder: Path) -> Path:
    """The file of a variant's published weights, downloaded into `folder` unless it is there.

    It appears whole and verified or not at all; a broken download goes on where it stopped; of two processes one
    downloads and the other waits. Raises WeightsError, which names the address and where to put the file by hand.
    """
    row = published(name, weights)
    path = folder / f"{name}-{row.sha256}.pth"
    if path.exists():
        return path
    url = f"{os.environ.get(MIRROR, URL)}/{path.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                _download(url, path, row.sha256)
    except (OSError, http.client.HTTPException) as error:  # urllib's own errors are OSErrors
        why = " ".join(str(getattr(error, "reason", error)).split())
        raise WeightsError(f"{url} must be reachable, and is not ({why}); put that file at {path} by hand") from None
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it goes with the process that holds it."""
    with path.open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except ImportError:  # not on Windows: there two downloads may run, and the last renames
            pass
        yield


def _download(url: str, path: Path, sha256: str) -> None:
    part = path.with_suffix(".part")
    for number in range(TRIES):
        try:
            if _continued(url, part):
                break
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            if number == TRIES - 1 or (error.code < 500 and error.code != 416):
                raise
            part.unlink(missing_ok=True)  # what is there does not fit the file: start again
        except (TimeoutError, ConnectionError, http.client.HTTPException):
            if number == TRIES - 1:
                raise
    else:
        raise OSError(f"the connection broke {TRIES} times; what came is kept, and trying again goes on from there")
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    if not digest.hexdigest().startswith(sha256):
        part.unlink()
        raise WeightsError(
            f"{url} must have a SHA-256 that begins with {sha256}, and has {digest.hexdigest()[:8]}; "
            f"it was removed: try again, or put the right file at {path} by hand"
        )
    os.replace(part, path)


def _continued(url: str, part: Path) -> bool:
    """Append to `part` what the server has beyond it, all anew where it does not do that. False if it broke off."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        have = have if answer.status == 206 else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        with part.open("ab" if have else "wb") as file:
            while data := answer.read(CHUNK):
                file.write(data)
                have += len(data)
                _progress(part.stem, have, total)
    return total is None or have >= total


def _progress(name: str, have: int, total: int | None) -> None:
    """A bar on a terminal, nothing in a pipe."""
    if sys.stderr.isatty():
        done = min(1.0, have / total) if total else 0.0
        end = "\n" if total and have >= total else ""
        print(f"\r{name} [{'#' * int(40 * done):<40}] {have >> 20} MiB", end=end, file=sys.stderr, flush=True)


def run_convert(source: Path, goal: Path, name: str = "") -> None:
    """Run `python -m parity.convert`, for the variant `name` if given. Raises WeightsError with what it says."""
    command = [sys.executable, "-m", "parity.convert", str(source), str(goal), *(["--model", name] if name else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise WeightsError(
            f"{source} must be converted to {goal.name} by `python -m parity.convert`, which says: {said}"
        )
