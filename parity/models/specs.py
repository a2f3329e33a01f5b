"""An input as a command line describes it, `NAME=SHAPE[:DTYPE[:RANGE]]` -> its name, shape, dtype and range as data."""

import re
from dataclasses import dataclass

FLOATS = ("float64", "float32", "float16", "bfloat16")
WHOLE = ("int64", "int32", "int16", "int8", "uint8")
DTYPES = {name: name for name in (*FLOATS, *WHOLE, "bool")} | {"float": "float32", "int": "int64"}
FORM = "NAME=SHAPE[:DTYPE[:RANGE]], such as ids=12:int64:0-1000, mask=12:bool or image=3,32,32"
NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?"


@dataclass(frozen=True)
class InputSpec:
    """One input: its shape without the batch, its dtype ("" where none is stated), and its range, low <= x < high."""

    name: str
    shape: tuple[int, ...]
    dtype: str = ""
    range: tuple[float, float] | None = None

    def __str__(self) -> str:
        """As it is written."""
        text = f"{self.name}={','.join(map(str, self.shape))}"
        if self.dtype or self.range:
            text += f":{self.dtype or 'float32'}"
        return text if self.range is None else f"{text}:{self.range[0]:g}-{self.range[1]:g}"


def input_spec(text: str) -> InputSpec:
    """The spec that a text describes. Raises ValueError, which says what is wrong."""
    name, found, rest = text.partition("=")
    if not found or not re.fullmatch(r"[A-Za-z_][\w.]*", name):
        raise ValueError(f"expected {FORM}, got {text!r}")
    sizes, _, kind = rest.partition(":")
    dtype, _, limits = kind.partition(":")
    if dtype and dtype not in DTYPES:
        raise ValueError(f"expected a dtype out of {', '.join(DTYPES)} in {text!r}, got {dtype!r}")
    dtype = DTYPES.get(dtype, "")
    return InputSpec(name, _sizes(sizes, text), dtype, _range(limits, dtype, text) if limits else None)


def _sizes(text: str, whole: str) -> tuple[int, ...]:
    parts = [part for part in text.strip("()").split(",") if part]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ValueError(f"expected sizes such as 3,32,32 (none for one number a sample) in {whole!r}, got {text!r}")
    return tuple(map(int, parts))


def _range(text: str, dtype: str, whole: str) -> tuple[float, float]:
    fit = re.fullmatch(rf"({NUMBER})-({NUMBER})", text)
    low, high = (float(fit[1]), float(fit[2])) if fit else (0.0, 0.0)
    if not low < high:
        raise ValueError(f"expected a range LOW-HIGH, HIGH left out, such as 0-1000, in {whole!r}, got {text!r}")
    if dtype == "bool":
        raise ValueError(f"expected no range behind bool in {whole!r}, got {text!r}")
    if dtype in WHOLE:
        bits = int(dtype.lstrip("uint"))
        least, most = (0, 2**bits) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        if low != int(low) or high != int(high) or low < least or high > most:
            raise ValueError(f"expected a range of whole numbers that {dtype} holds in {whole!r}, got {text!r}")
    return low, high
