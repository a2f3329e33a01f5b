"""What is compared: a named variant, or two factories anyone wrote. No framework is imported until it is built."""

import importlib
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import TargetError


@dataclass(frozen=True)
class Target:
    """Where both models come from: `torch` and `keras` are "package.module:attribute"; the shape is (C, ...)."""

    name: str
    torch: str
    keras: str
    input_shape: tuple[int, ...]


def variants() -> dict[str, Any]:
    """The table of named variants, read without importing the package around it (and so without a framework)."""
    return dict(_configs().VARIANTS)


def _configs() -> ModuleType:
    name = "parity._configs"
    if name not in sys.modules:
        package = importlib.util.find_spec("resnet_torch")
        if package is None or package.origin is None:
            raise TargetError(
                "the package resnet_torch must be importable, and was not found; install this project first"
            )
        spec = importlib.util.spec_from_file_location(name, Path(package.origin).with_name("configs.py"))
        if spec is None or spec.loader is None:
            raise TargetError(
                f"resnet_torch at {package.origin} must have a configs.py, and has none; install it again"
            )
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


def build(spec: str, framework: str) -> Any:
    """The model at "package.module:attribute": a model, or a factory, called without arguments if none follow a "?"."""
    spec, _, arguments = spec.partition("?")
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise TargetError(
            f"--{framework} must be package.module:factory, and is {spec!r}; name the function after a colon"
        )
    value = _attribute(module_name, attribute, framework)
    model = (
        value if is_model(value, framework) else value(**json.loads(arguments or "{}")) if callable(value) else value
    )
    if not is_model(model, framework):
        wanted = "torch.nn.Module" if framework == "torch" else "keras.Model"
        raise TargetError(f"{spec} must give a {wanted}, and gives a {type(model).__name__}; return the model from it")
    return model


def _attribute(module_name: str, attribute: str, framework: str) -> Any:
    sys.path.insert(0, "")  # the user's own modules stand in the current directory
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise TargetError(
                f"--{framework} needs the module {module_name}, and there is none on the path; "
                "run from the directory it is in, or install it"
            ) from None
        raise
    finally:
        sys.path.remove("")
    if not hasattr(module, attribute):
        raise TargetError(f"{module_name} must have {attribute!r}, and has not; check the name after the colon")
    return getattr(module, attribute)


def is_model(value: Any, framework: str) -> bool:
    """Whether `value` is a model of the framework, told by its classes' names: nothing is imported for it."""
    base, home = ("Module", "torch.nn.modules.module") if framework == "torch" else ("Model", "keras.")
    return any(cls.__name__ == base and cls.__module__.startswith(home) for cls in type(value).__mro__)
