"""What is compared: a named variant, or two factories anyone wrote, as plain data. No framework is imported."""

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from parity.errors import TargetError

from .specs import InputSpec


@dataclass(frozen=True)
class Target:
    """Where both models come from: `torch` and `keras` are "package.module:attribute"; the shape is (C, ...).

    Of several inputs it is the first one's; of a file () until that is read.
    """

    name: str
    torch: str
    keras: str
    input_shape: tuple[int, ...]
    inputs: tuple[InputSpec, ...] = ()  # where there are several, or their dtypes are stated
    file: str = ""  # that holds the inputs

    @property
    def words(self) -> str:
        """How a command line names it."""
        own = self.name == f"{self.torch} and {self.keras}"
        named = f"--torch {self.torch} --keras {self.keras}" if own else self.name
        return " ".join([named, *self._input_words()])

    def _input_words(self) -> list[str]:
        if self.file:
            return ["--inputs", self.file]
        if self.inputs and all(spec.name.isdigit() for spec in self.inputs):
            return ["--input-shape", f"'{';'.join(','.join(map(str, spec.shape)) for spec in self.inputs)}'"]
        if self.inputs:
            return [word for spec in self.inputs for word in ("--input", str(spec))]
        return ["--input-shape", ",".join(map(str, self.input_shape))]


def variants() -> dict[str, Any]:
    """The table of named variants, read without importing the package around it (and so without a framework)."""
    return dict(alone("configs").VARIANTS)


def head_activations() -> tuple[str | None, ...]:
    """The activations that a network of the family may end in; None for logits."""
    return tuple(alone("configs").ACTIVATIONS)


def alone(file: str) -> ModuleType:
    """A file of resnet_torch that imports no framework, without the package around it, which does."""
    name = f"parity._{file}"
    if name not in sys.modules:
        package = importlib.util.find_spec("resnet_torch")
        if package is None or package.origin is None:
            raise TargetError(
                "the package resnet_torch must be importable, and was not found; install this project first"
            )
        spec = importlib.util.spec_from_file_location(name, Path(package.origin).with_name(f"{file}.py"))
        if spec is None or spec.loader is None:
            raise TargetError(f"resnet_torch at {package.origin} must have a {file}.py, and has none; install it again")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def named(name: str, input_shape: tuple[int, ...] | None = None) -> Target:
    """The target of a named variant. Raises TargetError with the nearest names for an unknown one."""
    table = variants()
    if name not in table:
        import difflib

        near = difflib.get_close_matches(name, table, n=3) or sorted(table)[:5]
        raise TargetError(
            f"TARGET must be one of the {len(table)} named variants, and {name!r} is none; try {' or '.join(near)}; "
            "`python -m parity.check --list` prints them all"
        )
    shape = input_shape or (table[name].in_channels, *table[name].image_size)
    return Target(name, f"resnet_torch:{name}", f"resnet_keras:{name}", shape)


def with_arguments(spec: str, arguments: dict[str, Any]) -> str:
    """A spec whose factory is called with these arguments, which JSON can hold."""
    return f"{spec}?{json.dumps(arguments)}" if arguments else spec
