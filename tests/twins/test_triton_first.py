"""Both frameworks in one process, in any order, end by no signal: triton is loaded before TensorFlow, or never."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from examples.notebooks import NOTEBOOKS

ROOT = Path(__file__).parents[2]
COPIES = [ROOT / folder / "triton_first.py" for folder in ("resnet_torch", "resnet_keras", "parity/frameworks")]

# What the library does, without the library: dies where TensorFlow is in the process already.
TRITON = """
__version__ = '{version}'
import os, signal, sys
if 'tensorflow' in sys.modules and {dies}:
    os.kill(os.getpid(), signal.SIGSEGV)
"""
# As torch looks for it.
ASK = """
import sys
early = sys.modules.get("triton") is not None
try:
    import triton
    print("early" if early else "late")
except ImportError:
    print("hidden")
"""


def stub(folder: Path, version: str = "3.7.1", dies: bool = True, text: str = "") -> Path:
    """A folder with a package named triton."""
    package = folder / "stubs" / "triton"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(TRITON.format(version=version, dies=dies) + text)
    return package.parent


def run(code: str, *path: Path, flags: Sequence[str] = ()) -> str:
    """The last line that a process of its own prints. It must end by itself."""
    settings = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, *flags, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout.splitlines()[-1]


def test_the_copies_are_identical() -> None:
    """Each package is used alone, so each has its own; they are one text."""
    assert len({path.read_bytes() for path in COPIES}) == 1


@pytest.fixture
def frameworks(tmp_path: Path) -> Path:
    """A folder with empty packages named torch and tensorflow, and the hook: the rule alone, in no time."""
    for name in ("torch", "tensorflow"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "hook.py").write_bytes(COPIES[0].read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("first", "found"),
    [
        ("import hook, torch, tensorflow", "early"),
        ("import torch, hook, tensorflow", "early"),
        ("import torch, triton, tensorflow, hook", "early"),
        ("import hook, tensorflow, torch", "hidden"),
        ("import tensorflow, hook, torch", "hidden"),
        ("import tensorflow, torch, hook", "hidden"),
        ("import torch, tensorflow, hook", "hidden"),
        ("import torch, hook", "late"),  # alone, a framework is left as it is
        ("import hook, torch", "late"),
        ("import sys; sys.modules['tensorflow'] = None; import hook, torch", "late"),
    ],
)
def test_the_second_framework_decides(first: str, found: str, frameworks: Path) -> None:
    assert run(first + ASK, frameworks, stub(frameworks, dies="sys.modules['tensorflow']")) == found


@pytest.mark.parametrize(("version", "found"), [("3.6.0", "late"), ("3.7.0", "hidden"), ("3.10.2+git1", "hidden")])
def test_only_the_versions_that_cannot_follow_tensorflow_are_hidden(version: str, found: str, frameworks: Path) -> None:
    path = stub(frameworks, version, dies=found == "hidden")
    assert run("import tensorflow, torch, hook" + ASK, frameworks, path) == found


def test_a_version_that_cannot_be_read_is_hidden(frameworks: Path) -> None:
    path = stub(frameworks)
    file = path / "triton" / "__init__.py"
    file.write_text(file.read_text().replace("__version__ =", "VERSION ="))
    assert run("import tensorflow, torch, hook" + ASK, frameworks, path) == "hidden"


@pytest.mark.parametrize("order", ["torch, tensorflow", "tensorflow, torch"])
def test_a_triton_that_does_not_load_is_not_tried_again(order: str, frameworks: Path) -> None:
    path = stub(frameworks, text="raise RuntimeError('no driver')")
    assert run(f"import hook, {order}" + ASK, frameworks, path) == "hidden"


@pytest.mark.parametrize("order", ["torch, tensorflow", "tensorflow, torch"])
def test_without_triton_nothing_changes(order: str, frameworks: Path) -> None:
    code = f"import hook, {order}, sys; print('triton' in sys.modules)"
    assert run(code, frameworks, flags=["-S"]) == "False"  # without site-packages


ONE_CHECK = """
import keras, torch, parity
ours = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.ReLU()])
assert parity.check(ours, theirs, torch.ones(2, 3).numpy(), weights="copy", gradients=True).ok
"""
# Whichever comes first, and the process that a user's notebook is.
ENTRIES = {
    "torch, then Keras": ("import resnet_torch, resnet_keras", "early"),
    "Keras, then torch": ("import resnet_keras, resnet_torch", "hidden"),
    "the packages last": ("import tensorflow, torch, resnet_torch", "hidden"),
    "parity last": (ONE_CHECK, "hidden"),
    "an example": ("import examples.port_your_model", "early"),
    **{f"{name}.ipynb": (text.split("%%\n")[1], "early") for name, text in NOTEBOOKS.items()},
}
# The first uses of torch that look for triton: initialisation on the meta device, an optimizer, an export.
USES = """
import torch
with torch.device("meta"):
    torch.nn.init.kaiming_normal_(torch.nn.Conv2d(3, 4, 3).weight)
model = torch.nn.Linear(2, 2)
torch.optim.SGD(model.parameters(), 0.1)
torch.export.export(model, (torch.ones(1, 2),))
"""


USUAL = ("torch, then Keras", "Keras, then torch", "parity last")


@pytest.mark.parametrize(
    ("code", "found"),
    [pytest.param(*ENTRIES[name], id=name, marks=() if name in USUAL else pytest.mark.slow) for name in ENTRIES],
)
def test_an_entry_point(code: str, found: str, tmp_path: Path) -> None:
    """With triton itself where it is installed, elsewhere with a stand-in, which can be looked for and not used."""
    if importlib.util.find_spec("triton") is None:
        print("triton is not installed here: a stand-in takes its place")
        assert run(code + ASK, stub(tmp_path), ROOT) == found
    else:
        assert run(code + USES + ASK, ROOT) == found


OWN_MODELS = """
import keras
import torch

def look_for_triton():
    try:
        import triton
    except ImportError:
        pass

def torch_model():
    look_for_triton()
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())

def keras_model():
    look_for_triton()
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.ReLU()])
"""


def test_a_users_module_with_both_frameworks(tmp_path: Path) -> None:
    """parity.check gives each framework a process, but a module that holds both models brings the other one along."""
    (tmp_path / "mine.py").write_text(OWN_MODELS)
    options = ["--torch", "mine:torch_model", "--keras", "mine:keras_model", "--input-shape", "3", "--quiet"]
    code = f"import sys; from parity.check import main; sys.exit(main({options!r}))"
    assert run(code, stub(tmp_path), tmp_path, ROOT).startswith("MATCH")
