"""From a target's spec, or a model in memory, to the model and its Side; only its framework is imported."""

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from parity.errors import ModelError, ParityError, TargetError, words

from .adapter import adapter, framework_of, model_of
from .side import Side


def build(spec: str, framework: str) -> Any:
    """The model at "package.module:attribute": a model, or a factory, called without arguments if none follow a "?"."""
    spec, _, arguments = spec.partition("?")
    module_name, name = parts(spec, framework, "factory")
    with told_of(f"the {framework} model {spec} must be built"):
        value = attribute(module_name, name, framework)
        made = callable(value) and not is_model(value, framework)
        model = value(**json.loads(arguments or "{}")) if made else value
    if not is_model(model, framework):
        raise TargetError(
            f"{spec} must give a {model_of(framework).title}, and gives a {type(model).__name__}; "
            "return the model from it"
        )
    return model


def parts(spec: str, option: str, what: str = "function") -> tuple[str, str]:
    """The module and the name of "package.module:name", of which --option says what it is. Raises TargetError."""
    module, _, name = spec.partition(":")
    if not module or not name:
        raise TargetError(f"--{option} must be package.module:{what}, and is {spec!r}; name the function after a colon")
    return module, name


@contextmanager
def told_of(must: str) -> Iterator[None]:
    """Say of what a user's own code raises what it `must` do. Raises ModelError."""
    try:
        yield
    except ParityError:
        raise
    except Exception as error:
        raise ModelError(f"{must}, and raised {words(error)}; run it alone first") from error


def attribute(module_name: str, name: str, framework: str) -> Any:
    """What a module has under a name; `framework` is the option that names it. Raises TargetError for nothing."""
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
    if not hasattr(module, name):
        raise TargetError(f"{module_name} must have {name!r}, and has not; check the name after the colon")
    return getattr(module, name)


def is_model(value: Any, framework: str) -> bool:
    """Whether `value` is a model of the framework, told by its classes' names: nothing is imported for it."""
    wanted = model_of(framework)
    return any(cls.__name__ == wanted.name and cls.__module__.startswith(wanted.home) for cls in type(value).__mro__)


def side_of(model: Any) -> Side:
    """The Side of a model, told by its class; only that framework is imported."""
    framework = framework_of(model)
    if framework is None:
        raise TargetError(
            f"a model must be a torch.nn.Module or a keras.Model, and is a {type(model).__name__}; pass a model"
        )
    return adapter(framework).side(model)
