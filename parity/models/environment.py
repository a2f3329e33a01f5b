"""What a report says of the settings that its numbers were made under, in sentences. Pure."""

from collections.abc import Iterator
from typing import Any

from parity.errors import few

Environment = dict[str, Any]


def settings(side: Environment) -> str:
    """The processor and the settings that decide digits, of one side: "AMD EPYC (AVX512), 2 threads, oneDNN on"."""
    parts = []
    if "processor" in side:
        parts.append(f"{side['processor']} ({side['instructions']})")
    if side.get("threads"):
        parts.append(f"{side['threads']} thread{'s' * (side['threads'] != 1)}")
    if side.get("onednn") is not None:
        parts.append(f"oneDNN {'on' if side['onednn'] else 'off'}")
    if side.get("x64") is False:
        parts.append("x64 off")
    return ", ".join(parts)


def where(environment: Environment) -> Iterator[str]:
    """What each side computed on, and with which settings; one line if they are the same. None without a machine."""
    found = {title: settings(environment.get(title.lower(), {})) for title in ("torch", "Keras")}
    if len(set(found.values())) == 1:
        found = {"both": found["torch"]}
    told = "; ".join(f"{title} on {text}" for title, text in found.items() if text)
    if told:
        yield told


def notes(environment: Environment) -> Iterator[str]:
    """Where the settings of two sides, or of two runs, can part their numbers by more than rounding."""
    torch, keras = environment.get("torch", {}), environment.get("keras", {})
    if keras.get("x64") is False:
        yield (
            f"Keras's float64 run alone has JAX's 64-bit types: its other runs are without, as your process is, and "
            f"{keras.get('backend', 'jax')} makes float32 of every float64 there; what needs them shows in those alone"
        )
    if torch.get("wrapped"):
        names = " and ".join(torch["wrapped"])
        yield f"torch's model is compared as it is inside {names}, whose own work on it is not run, and left as it was"
    if torch.get("computed"):
        yield f"weights that torch computes are compared as what comes out of it: {few(torch['computed'])}"
    if torch.get("tf32", False) != keras.get("tf32", False):
        side = "torch" if torch.get("tf32") else "Keras"
        yield f"{side} alone may round float32 products to TF32's ten bits: the two sides differ by more than rounding"
    for side, names in environment.get("outputs", {}).items():
        if names:
            title = {"torch": "torch", "keras": "Keras"}[side]
            number = "output is" if len(names) == 1 else "outputs are"
            yield f"{title} alone gives {', '.join(names)}: the {number} left out of the comparison"
    if environment.get("onednn", "as-is") != "as-is":
        yield f"TensorFlow computes with oneDNN {environment['onednn']}, as --onednn asks; your own process may not"
