"""Random networks without a fault: does the verdict ever cry wolf, and where do its bounds come from?

`python -m benchmarks.false_alarms [COUNT]` builds COUNT random networks (1,000 if not given) twice, checks them forward
and in training, and keeps the distributions on which compare.py's bounds rest: the structure error, and the ratio of
the two sides' rounding errors where both are above the floor.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

COUNT = 1000
CHUNK = 25  # networks in one process: TensorFlow keeps what it has compiled for each
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
BLOCKS = ("basic", "bottleneck", "residual")


def main(argv: list[str]) -> int:
    """Check, save the figures, and return 1 if any network was called different."""
    if argv[:1] == ["--chunk"]:
        return _chunk(*map(int, argv[1:]))
    count = int(argv[0]) if argv else COUNT
    starts = range(0, count, CHUNK)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(lambda start: _run_chunk(start, min(count, start + CHUNK)), starts))
    alarms, errors, ratios = (
        [item for part in parts for item in part[name]] for name in ("alarms", "errors", "ratios")
    )
    _save(count, alarms, errors, ratios)
    return 1 if alarms else 0


def _run_chunk(start: int, stop: int) -> dict[str, list[Any]]:
    """The networks of some seeds, in a process of their own, on one thread: they are small."""
    command = [sys.executable, "-m", "benchmarks.false_alarms", "--chunk", str(start), str(stop)]
    settings = os.environ | dict.fromkeys(THREADS, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    found: dict[str, list[Any]] = json.loads(done.stdout.splitlines()[-1])
    print(f"networks {start} to {stop - 1}: {len(found['alarms'])} false alarms", flush=True)
    return found


def _chunk(start: int, stop: int) -> int:
    """Print what these networks give, as JSON."""
    found: dict[str, list[Any]] = {"alarms": [], "errors": [], "ratios": []}
    for seed in range(start, stop):
        report, config = check_network(seed)
        if not report.ok:
            found["alarms"].append(f"seed {seed}: {config}: {report.first}")
        found["errors"] += [layer.added.error for layer in report.layers]
        found["ratios"] += [ratio for layer in report.layers if (ratio := rounding_ratio(layer)) is not None]
    print(json.dumps(found))
    return 0


def _save(count: int, alarms: list[str], errors: list[float], ratios: list[float]) -> None:
    from parity.verdict.difference import ARITHMETIC_FACTOR, STRUCTURE_LINE

    from .measure import save

    figures = {
        "networks": count,
        "layers": len(errors),
        "false_alarms": alarms,
        "structure_added": _distribution(errors) | {"line": STRUCTURE_LINE},
        "rounding_ratio": _distribution(ratios) | {"factor": ARITHMETIC_FACTOR},
    }
    save("false_alarms", figures)


def _distribution(values: list[float]) -> dict[str, float]:
    shares = {"median": 0.5, "p99": 0.99, "p99.9": 0.999, "greatest": 1.0}
    return {name: float(f"{np.quantile(values, share):.3g}") for name, share in shares.items()}


def rounding_ratio(layer: Any) -> float | None:
    """How many times the coarser side's rounding error exceeds the finer's, unless both are below the floor."""
    from parity.verdict.difference import ARITHMETIC_FLOOR, ROUNDING

    low, high = sorted((layer.reference.rms, layer.candidate.rms))
    floor = ARITHMETIC_FLOOR * ROUNDING["float32"]
    return None if high <= floor else high / max(low, floor)


def random_config(draw: np.random.Generator) -> dict[str, Any]:
    """One network: every option of configs.py, sizes odd and even, small enough for half a second."""
    block = str(draw.choice(BLOCKS))
    stages = int(draw.integers(1, 5))
    grouped = block == "bottleneck" and draw.random() < 0.5
    shortcut = "B" if block == "residual" else str(draw.choice(["A", "B", "C", "none"]))
    dilate = None if block == "residual" else tuple(bool(d) for d in draw.random(stages - 1) < 0.3)
    return {
        "block": block,
        "depths": tuple(int(n) for n in draw.integers(1, 4, stages)),
        "widths": tuple(int(16 * 2 ** min(i, 2) * draw.integers(1, 3)) for i in range(stages))
        if shortcut != "A"
        else (16, 32, 64, 64)[:stages],
        "stem": str(draw.choice(["imagenet", "cifar", "same"])),
        "groups": int(draw.choice([2, 4, 8])) if grouped else 1,
        "width_per_group": int(draw.choice([4, 8, 16])) if grouped else 64,
        "stride_in_1x1": bool(block == "bottleneck" and draw.random() < 0.3),
        "shortcut": shortcut,
        "bias": bool(draw.random() < 0.4),
        "eps": float(draw.choice([1e-3, 1e-5, 1.001e-5])),
        "momentum": float(draw.choice([0.1, 0.01])),
        "in_channels": int(draw.integers(1, 5)),
        "input_size": (int(draw.integers(24, 49)), int(draw.integers(24, 49))),
        "num_classes": int(draw.integers(1, 20)),
        "replace_stride_with_dilation": dilate,
    }


def check_network(seed: int) -> tuple[Any, dict[str, Any]]:
    import parity
    import resnet_keras
    import resnet_torch
    from parity.frameworks.torch.side import TorchSide

    draw = np.random.default_rng(seed)
    config = random_config(draw)
    torch_model = resnet_torch.ResNet(resnet_torch.ResNetConfig(**config))
    keras_model = resnet_keras.ResNet(resnet_keras.ResNetConfig(**config))
    batch = int(draw.integers(2, 5))
    x = draw.standard_normal((batch, config["in_channels"], *config["input_size"])).astype(np.float32)
    TorchSide(torch_model).randomize(x.astype(np.float64), seed)
    report = parity.check(torch_model, keras_model, x, weights="copy", gradients=True)
    return report, config


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
