"""Reports as `parity.check --json` writes them, small and made by hand."""

from typing import Any

ENVIRONMENT = {
    "torch": {"torch": "2.13.0", "device": "cpu", "threads": 2, "tf32": False},
    "keras": {"keras": "3.15.1", "backend": "tensorflow", "device": "cpu", "tf32": False},
    "dtype": "float32",
    "seed": 0,
    "batch_size": 2,
    "input_shape": [3, 224, 224],
}


def step(path: str, kind: str, shape: list[int], weights: dict[str, list[int]] | None = None, **more: Any) -> Any:
    """One layer of a document."""
    return {
        "path": path,
        "kind": kind,
        "shape": shape,
        "weights": weights or {},
        "structure": {"inherited": 8.1e-16, "added": 7.3e-16},
        "arithmetic": {"torch": 2.2e-7, "keras": 2.3e-7, "difference": 1.1e-7},
        "verdict": "match",
    } | more


NORM = {name: [128] for name in ("weight", "bias", "running_mean", "running_var")}


def resnet50() -> Any:
    """The layers of one bottleneck, and a stage's end, of a match."""
    block = "layer2.0"
    layers = [
        step("conv1", "conv", [2, 64, 112, 112], {"weight": [64, 3, 7, 7]}),
        step("layer1.0.relu", "relu", [2, 256, 56, 56]),
        step(f"{block}.conv1", "conv", [2, 128, 56, 56], {"weight": [128, 256, 1, 1]}),
        step(f"{block}.bn1", "batch_norm", [2, 128, 56, 56], NORM),
        step(f"{block}.relu", "relu", [2, 128, 56, 56]),
        step(f"{block}.conv2", "conv", [2, 128, 28, 28], {"weight": [128, 128, 3, 3]}),
        step(f"{block}.downsample.0", "conv", [2, 512, 28, 28], {"weight": [512, 256, 1, 1]}),
        step(f"{block}.add", "add", [2, 512, 28, 28]),
        step(f"{block}.relu#2", "relu", [2, 512, 28, 28]),
        step("fc", "dense", [2, 1000], {"weight": [1000, 2048], "bias": [1000]}),
    ]
    return {
        "schema": 1,
        "verdict": "match",
        "target": "resnet50",
        "environment": ENVIRONMENT,
        "layers": layers,
        "first": None,
        "cause": None,
        "static": [],
        "unmatched": {"torch": [], "keras": []},
    }
