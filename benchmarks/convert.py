"""What a conversion costs: `python -m benchmarks.convert` writes `results/convert.json`.

resnet152's `.pth` to `.weights.h5`, against a bare `torch.load` and h5py write of the same arrays in the same layout,
alternating in one process; imports are left out of both. Memory is each one's own peak in a fresh process, beyond the
imports, in units of the file's size.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from .measure import save

ROUNDS = 15
TIME_BAR, MEMORY_BAR = 1.5, 2.2


def bare(source: Path, goal: Path) -> None:
    """What anyone would write: no check, no names, nothing read back."""
    import h5py
    import torch

    state = torch.load(source, weights_only=True)
    with h5py.File(goal, "w") as file:
        for name, tensor in state.items():
            if tensor.ndim:  # Keras has no batch counters
                array = tensor.numpy()
                axes = {4: (2, 3, 1, 0), 2: (1, 0)}.get(array.ndim)
                file.create_dataset(name.replace(".", "/"), data=array.transpose(axes) if axes else array)


def converted(source: Path, goal: Path) -> None:
    """The whole conversion: recognised, named, written, read back, compared, renamed into place."""
    import parity

    parity.convert(source, goal)


WAYS = {"bare": bare, "convert": converted}


def seconds(way: str, source: Path, goal: Path) -> float:
    goal.unlink(missing_ok=True)
    began = time.perf_counter()
    WAYS[way](source, goal)
    return time.perf_counter() - began


def peak(way: str, source: Path, goal: Path) -> float:
    """By how much a fresh process grows at most, over the file's size."""
    code = f"from benchmarks.convert import grown; grown({way!r}, {str(source)!r}, {str(goal)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout) / source.stat().st_size


def grown(way: str, source: str, goal: str) -> None:
    """Print by how many bytes this process grows at most; what it imports, a small file makes it import before."""
    import torch

    import resnet_torch

    small = Path(goal).with_name("small.pth")
    torch.save(resnet_torch.cifar_resnet20().state_dict(), small)
    WAYS[way](small, Path(goal))
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _status("VmRSS")
    WAYS[way](Path(source), Path(goal))
    print(_status("VmHWM") - before)


def _status(field: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


def main() -> int:
    """Measure, save and say whether the bars are met."""
    import torch

    import resnet_torch

    with tempfile.TemporaryDirectory() as folder:
        source, goal = Path(folder) / "resnet152.pth", Path(folder) / "out.weights.h5"
        torch.save(resnet_torch.resnet152().state_dict(), source)
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(ROUNDS + 1):
            for way in WAYS:
                taken = seconds(way, source, goal)
                if number:  # the first round warms up
                    times[way].append(taken)
        memory = {way: round(peak(way, source, goal), 2) for way in WAYS}
        size = source.stat().st_size
    best = {way: round(min(taken), 3) for way, taken in times.items()}
    middle = {way: round(median(taken), 3) for way, taken in times.items()}
    ratio = round(best["convert"] / best["bare"], 2)
    figures = {"file_bytes": size, "rounds": ROUNDS, "best_seconds": best, "median_seconds": middle}
    figures |= {
        "ratio_of_the_best": ratio,
        "time_bar": TIME_BAR,
        "peak_over_file_size": memory,
        "memory_bar": MEMORY_BAR,
    }
    save("convert", figures | {"other_load": round(os.getloadavg()[0] - 1, 1)})
    return 0 if ratio <= TIME_BAR and memory["convert"] <= MEMORY_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
