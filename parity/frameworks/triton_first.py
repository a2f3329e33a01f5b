"""triton before TensorFlow, or not at all: what this package needs to live beside the other framework.

Both carry a copy of LLVM under the same names. From triton 3.7 on, loading it into a process that has TensorFlow ends
that process by a segmentation fault; the other way round both work (seen with TensorFlow 2.21). Where triton is
installed, and torch's default build for Linux brings it, torch loads it late: with the first optimizer, meta-device
initialisation, compiled or exported model. So whichever of torch and TensorFlow a process loads second decides:

- TensorFlow: triton is loaded right before it.
- torch: triton counts as not installed in this process, so torch does what its CPU build does.

A process with one framework alone is left as it is. Importing this module installs that rule; it is the same file in
`resnet_torch`, `resnet_keras` and `parity`, because each of them may be the first, or the only one.
"""

import importlib.util
import re
import sys
from pathlib import Path

UNSAFE = (3, 7)  # the first version of triton that cannot be loaded after TensorFlow
VERSION = re.compile(r"^__version__\s*=\s*['\"](\d+)\.(\d+)", re.MULTILINE)


class TritonFirst:
    """An import hook that finds nothing: it acts just before the second framework is loaded."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "tensorflow" and _loaded("torch"):
            _load_triton()
        elif name == "torch" and _loaded("tensorflow"):
            _hide_triton()


def _loaded(name: str) -> bool:
    return sys.modules.get(name) is not None  # None: somebody forbade its import


def _is_unsafe() -> bool:
    """Whether triton is installed, is not decided on yet, and must not be loaded after TensorFlow.

    The version is read from its file, since its distribution has several names; one that cannot be read is unsafe.
    """
    if "triton" in sys.modules:
        return False
    try:
        spec = importlib.util.find_spec("triton")
    except ImportError:  # another hook forbids it
        return False
    if spec is None or spec.origin is None:  # without an origin it is no more than a folder of that name
        return False
    try:
        found = VERSION.search(Path(spec.origin).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return True
    return found is None or (int(found[1]), int(found[2])) >= UNSAFE


def _load_triton() -> None:
    if not _is_unsafe():
        return
    try:
        importlib.import_module("triton")
    except Exception:  # noqa: BLE001 - a triton that does not load now must not be tried after TensorFlow
        _hide_triton()


def _hide_triton() -> None:
    if _is_unsafe():
        sys.modules["triton"] = None  # type: ignore[assignment] # Python's way to say that there is no such module


sys.meta_path.insert(0, TritonFirst)
if _loaded("torch") and _loaded("tensorflow"):
    _hide_triton()
