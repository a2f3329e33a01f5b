"""`parity.check` of torchvision's networks against keras.applications' beside a script that runs each once.

`python -m benchmarks.others [NAME ...]`. The bar: at most twice the script's time, and at most 1.5 times the memory
that the larger side takes for its own forward pass in float32, with its framework, and one layer in float64.
"""

import sys
from typing import Any

import numpy as np

from .measure import medians, save, side_by_side

REPEATS = 3
SIDES = ("torch", "keras")
# torchvision's name -> that of keras.applications, and the numbers of the layer that has most
PAIRS = {
    "vgg16": ("VGG16", 102_764_544),
    "resnet50": ("ResNet50", 2_359_808),
    "mobilenet_v2": ("MobileNetV2", 1_281_000),
    "densenet121": ("DenseNet121", 1_025_000),
}


def _torch(name: str) -> Any:
    from tests.twins.torchvision_oracle import torchvision_models

    torchvision_models()  # which declares the operators that a CPU build of torch has not
    import torchvision.models

    return getattr(torchvision.models, name)().eval()


def _keras(name: str) -> Any:
    import keras

    return getattr(keras.applications, PAIRS[name][0])(weights=None, classifier_activation=None)


def __getattr__(name: str) -> Any:
    """The factories that `parity.check` is given: `torch_vgg16`, `keras_vgg16` and the others'."""
    side, _, network = name.partition("_")
    if side not in SIDES or network not in PAIRS:
        raise AttributeError(name)
    return (lambda: _torch(network)) if side == "torch" else (lambda: _keras(network))


def plain(name: str, sides: tuple[str, ...]) -> None:
    """What anyone would write: build these sides' networks and run each once, on one image of 224x224."""
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    if "torch" in sides:
        import torch

        with torch.no_grad():
            _torch(name)(torch.from_numpy(x)).numpy()
    if "keras" in sides:
        np.asarray(_keras(name)(x.transpose(0, 2, 3, 1)))


def measured(name: str) -> dict[str, Any]:
    """Time and memory of the check, of the script and of each side's part of it."""
    home = ["--torch", f"benchmarks.others:torch_{name}", "--keras", f"benchmarks.others:keras_{name}"]
    own = ["-m", "benchmarks.others", "--plain", name]
    commands = {side: [*own, side] for side in SIDES} | {"plain": [*own, *SIDES]}
    commands["check"] = ["-m", "parity.check", *home, "--input-shape", "3,224,224", "--batch-size", "1"]
    found = {key: medians(runs) for key, runs in side_by_side(commands, REPEATS, exits=(0, 1)).items()}
    allowed = 1.5 * max(found[side]["peak_mib"] for side in SIDES) + PAIRS[name][1] * 8 / 2**20
    ratios = {
        "seconds": round(found["check"]["seconds"] / found["plain"]["seconds"], 3),
        "peak_of_allowed": round(found["check"]["peak_mib"] / allowed, 3),
    }
    return {"pair": name, "repeats": REPEATS, **found, "allowed_mib": round(allowed), "ratios": ratios}


def main(arguments: list[str]) -> int:
    """Measure, save and say whether the bar is met; or be the plain script."""
    if arguments[:1] == ["--plain"]:
        plain(arguments[1], tuple(arguments[2:]))
        return 0
    rows = [measured(name) for name in arguments or PAIRS]
    save("others", {"pairs": rows})
    return 0 if all(row["ratios"]["seconds"] <= 2 and row["ratios"]["peak_of_allowed"] <= 1 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
