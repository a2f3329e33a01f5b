"""What the example tests share: a small MNIST, and running an example as a user does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def small_mnist(path: Path, train: int = 120, test: int = 40, size: int = 8) -> Path:
    """An mnist.npz that can be learned: digit k is a bright row k or column k - 5, under noise."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, count in (("train", train), ("test", test)):
        labels = random.integers(0, 10, count).astype(np.uint8)
        images = random.integers(0, 60, (count, size, size)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            (image if label < 5 else image.T)[label % 5] = 255
        arrays |= {f"x_{name}": images, f"y_{name}": labels}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", *IGNORED, "-m", f"examples.{name}", *map(str, arguments)]


# Keras 3.15 under NumPy 2, see pyproject.toml.
IGNORED = ("-W", "ignore:__array__ implementation:DeprecationWarning")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def run(name: str, *arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `python -m examples.NAME`, warnings as errors, as in a fresh terminal."""
    settings = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(name, *arguments), cwd=cwd, env=settings, capture_output=True, text=True, timeout=300, check=False
    )


def succeeds(name: str, *arguments: object, cwd: Path = ROOT) -> str:
    """Run it, and return what it printed; nothing may reach stderr."""
    done = run(name, *arguments, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def is_png(path: Path) -> bool:
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 10_000
