"""The stack of a running program -> the lines of the user's in it; and what was made where, for as long as it lives.

While a program runs only code objects and offsets are kept; which line and expression that is, is found when asked.
`frameworks/NAME/source.py` says which packages are the framework's own, `PACKAGES`, and wraps what makes its layers:
`HOOKS` are, by module, what is done to it once it is loaded.
"""

import importlib
import importlib.util
import linecache
import os
import sys
import sysconfig
import weakref
from collections.abc import Callable
from functools import cache
from importlib.machinery import ModuleSpec
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from parity.models.source import Source, Sources, Span

from .folders import frameworks

Place = tuple[CodeType, int]  # of a frame: its code, and the offset of the instruction that it is at
Places = tuple[Place, ...]
MOST = 3  # lines: where it stands, and who called that
HOME = f"{Path(__file__).parents[1]}{os.sep}"
STDLIB = f"{sysconfig.get_paths()['stdlib']}{os.sep}"
INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
NOT_WRITTEN = ("<frozen", "<__array_function__", "<attrs")  # files of code that nobody has written
ENDS = {"trace": "side.py", "build": "build.py"}  # functions of ours: who asked for the run is not in the model


class Kept:
    """What is known of objects, by their identity, for as long as they live: they may not be hashed while made."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Places]] = {}

    def put(self, made: Any, places: Places) -> None:
        key = id(made)
        if self.of(made):
            return  # on its torch backend Keras's layer is made as torch's module, too
        self._kept[key] = weakref.ref(made, lambda _: self._kept.pop(key, None)), places

    def of(self, made: Any) -> Places:
        known = self._kept.get(id(made))
        return known[1] if known is not None and known[0]() is made else ()


MADE = Kept()  # layers and operations -> where they were made
JOINED = Kept()  # the calls of a graph that was built once -> where they were written


def places(own: Any = None, depth: int = 1) -> Places:
    """Where the user's code is, the innermost line first. own: an object that is being made: not its own `__init__`."""
    found: list[Place] = []
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and len(found) < MOST:
        code = frame.f_code
        side = _owner(code.co_filename)
        if side == "user" and not (own is not None and code.co_name == "__init__" and _first(frame) is own):
            found.append((code, frame.f_lasti))
        elif side == "parity" and _is_end(code):
            break
        frame = frame.f_back
    return tuple(found)


def maker(depth: int = 1) -> Places:
    """Where the operation was made that runs: of a graph that was built before, nobody's line calls it."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__call__" and (known := MADE.of(_first(frame))):
            return known
        if _owner(code.co_filename) == "parity" and _is_end(code):
            break
        frame = frame.f_back
    return ()


def _first(frame: FrameType) -> Any:
    """A method's own object."""
    names = frame.f_code.co_varnames
    return frame.f_locals.get(names[0]) if frame.f_code.co_argcount and names else None


@cache
def _owner(file: str) -> str:
    """Whose a file is: the "user"'s, "parity"'s, or some "tool"'s."""
    if file.startswith(HOME):
        return "parity"
    home = next((home for home in _homes() if file.startswith(home)), None)
    if home is not None:  # one of its collection of models is as a user would have written it
        return "user" if f"{os.sep}applications{os.sep}" in file[len(home) :] else "tool"
    if file.startswith(NOT_WRITTEN):
        return "tool"
    own = file.startswith(STDLIB) and not any(part in file for part in INSTALLED)
    return "tool" if own else "user"


def _is_end(code: CodeType) -> bool:
    return code.co_name in ENDS and os.path.basename(code.co_filename) == ENDS[code.co_name]


def _homes() -> tuple[str, ...]:
    """The folders of the frameworks that are loaded, and of what they compute with."""
    loaded = [sys.modules.get(package) for side in _sides() for package in side.PACKAGES]
    files = (getattr(module, "__file__", None) for module in loaded if module is not None)
    return tuple(f"{Path(file).parent}{os.sep}" for file in files if file)


@cache
def _sides() -> tuple[Any, ...]:
    """What each framework says of itself."""
    named = (f"parity.frameworks.{name}.source" for name in frameworks())
    return tuple(importlib.import_module(name) for name in named if importlib.util.find_spec(name))


def written(found: Places) -> Sources:
    """The lines themselves."""
    return tuple(_known(code, offset) for code, offset in found)


_KNOWN: dict[tuple[int, int], tuple[CodeType, Source]] = {}


def _known(code: CodeType, offset: int) -> Source:
    """By the code's identity: its hash is computed from all that is in it, and it equals that of the same text."""
    key = id(code), offset
    if key not in _KNOWN:
        _KNOWN[key] = code, _source(code, offset)  # what is kept keeps its identity
    return _KNOWN[key][1]


def _source(code: CodeType, offset: int) -> Source:
    first, last, start, end = next(islice(code.co_positions(), offset // 2, None), (None,) * 4)
    line = code.co_firstlineno if first is None else first
    span: Span | None = None
    if first is not None and last is not None and start is not None and end is not None:
        span = (first, last, start, end)
    file = code.co_filename
    path = file if os.path.isfile(file) and not any(part in file for part in INSTALLED) else ""
    name = shown(file)
    text = linecache.getline(file, line).strip()
    return Source(name, line, text, span, "" if name.startswith("Cell ") else path)


def shown(file: str) -> str:
    """A file as the user names it: from the working folder, or the cell of a notebook."""
    console = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    named = getattr(getattr(console, "compile", None), "format_code_name", lambda _: None)(file)
    if named:
        return " ".join(named)
    folder = f"{os.getcwd()}{os.sep}"
    return file.removeprefix(folder)


def listen() -> None:
    """Know from now on where layers are made: wrap what makes them, or will, once their framework is loaded."""
    hooks = {name: hook for side in _sides() for name, hook in side.HOOKS.items()}
    later = {}
    for name, hook in hooks.items():
        module = sys.modules.get(name)
        if module is None:
            later[name] = hook
        else:
            hook(module)
    if later:
        sys.meta_path.insert(0, _Later(later))


class _Later:
    """An import hook that finds what the others find, and acts once it is loaded."""

    def __init__(self, hooks: dict[str, Callable[[ModuleType], None]]) -> None:
        self.hooks = hooks

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        hook = self.hooks.pop(name, None)
        if hook is None:
            return None
        spec = importlib.util.find_spec(name)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            run = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                loader.exec_module = run
                run(module)
                hook(module)

            loader.exec_module = exec_module
        return spec
