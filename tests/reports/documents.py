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


def mismatch() -> Any:
    """A convolution differs at the border, one channel is NaN further on, and a momentum is off."""
    document = resnet50()
    layers = {layer["path"]: layer for layer in document["layers"]}
    wrong = layers["layer2.0.conv2"]
    wrong |= {
        "verdict": "mismatch",
        "structure": {"inherited": 0.7, "added": 0.7},
        "faults": ["structure"],
        "why": "float64 outputs differ by at most 7.0e-01",
    }
    layers["layer2.0.add"]["structure"] = {"inherited": 0.2, "added": 0.0}
    layers["layer2.0.relu#2"]["structure"] = {"inherited": None, "added": 1e-16}
    why = "its outputs hold NaN or infinity in Keras"
    layers["fc"] |= {"verdict": "mismatch", "faults": ["not finite"], "why": why}
    layers["fc"]["structure"] = {"inherited": None, "added": None}
    cells = [[0.7 if 27 in (y, x) else 0.0 for x in range(28)] for y in range(28)]
    border = {"size": [28, 28], "cells": cells, "channels": [0.7] * 64, "channel_count": 128}
    spot = {"size": [1, 1], "cells": [[None]], "channels": [0.0, None, 0.0], "channel_count": 3}
    causes = [
        {
            "name": "asymmetric padding",
            "path": "layer2.0.conv2",
            "evidence": "the gap closes to 1e-15",
            "where": border,
        },
        {"name": "NaN or infinity", "path": "fc", "evidence": "a weight has 1 such number", "where": spot},
    ]
    return document | {
        "verdict": "mismatch",
        "message": "MISMATCH: resnet50 differs in 2 of 10 layers and 1 setting; the first is layer2.0.conv2",
        "first": "layer2.0.conv2",
        "cause": causes[0],
        "causes": causes,
        "static": [{"path": "layer2.0.bn1", "field": "momentum", "torch": 0.1, "keras": 0.01}],
        "pairs": [{"torch": "fc", "keras": "predictions", "by": "order"}],
    }


def training() -> Any:
    """Three steps in float64 and float32, the last of which drifts out of its band; one loss is not finite."""

    def curve(found: list[float], band: list[list[float]], allowed: list[float]) -> Any:
        steps, worst = [1, 2, 3], ["fc.weight"] * 3
        return {
            "steps": steps, "error": found, "distance": found, "worst": worst, "band": band, "allowed": allowed
        }  # fmt: skip

    exact = curve([0.0, 2e-16, 3e-16], [[], [], []], [1e-9] * 3)
    drifts = curve([1e-7, 2e-7, 9e-5], [[1e-7, 2e-7], [2e-7, 4e-7], [4e-7, 6e-7]], [2e-6, 4e-6, 8e-6])
    environment = {name: ENVIRONMENT[name] for name in ("torch", "keras")}
    loss = {"torch": [2.3, 1.9, 1.4], "keras": [2.3, 1.9, None]}
    runs = [
        {"dtype": "float64", "line": 1e-9, "band": None, "curves": {"loss": exact, "weight": exact}, "loss": loss},
        {
            "dtype": "float32", "line": None, "band": {"runs": 2}, "loss": loss,
            "curves": {"loss": drifts, "weight": drifts, "exp_avg": drifts, "rate": exact},
        },
    ]  # fmt: skip
    return {
        "schema": 1,
        "kind": "training",
        "verdict": "mismatch",
        "target": "cifar_resnet20",
        "environment": environment,
        "recipe": {"optimizer": "adam", "lr": 0.001, "weight_decay": 0.0},
        "input_shape": [3, 32, 32],
        "matched": [{"rule": "update", "torch": "w - lr g", "keras": "w - lr g", "how": "same", "why": "one rule"}],
        "runs": runs,
        "fault": {
            "dtype": "float32", "step": 3, "what": "weight", "path": "fc.weight", "error": 9e-5, "allowed": 8e-6
        },
        "cause": {"name": "optimizer epsilon", "path": "", "evidence": "with the same epsilon the gap closes"},
    }  # fmt: skip
