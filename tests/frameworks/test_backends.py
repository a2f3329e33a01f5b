"""What the user's process computes is what is judged: on every backend of Keras, with its settings as they are."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import parity
from parity.checks.training.lockstep import rate_allowed
from parity.errors import ParityError
from parity.frameworks.keras.machine import require_onednn, tensorflow_onednn
from parity.frameworks.machine import processor
from parity.models.environment import notes, settings, where
from parity.models.recipe import made
from tests.twins.helpers import run_python

from . import pooled

ROOT = Path(__file__).parents[2]
POOLED = "tests.frameworks.pooled"
PAIR = ["--torch", f"{POOLED}:torch_model", "--keras", f"{POOLED}:keras_model", "--input-shape", pooled.SHAPE]
TRAINED = ["--torch", "tests.checks.training_models:torch_basic", "--keras", "tests.checks.training_models:keras_basic"]
TRAINED += ["--input-shape", "3,8,8", "--batch-size", "4", "--runs", "1"]


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {"TF_ENABLE_ONEDNN_OPTS", "JAX_ENABLE_X64", "KERAS_BACKEND"}
    clean = {name: value for name, value in os.environ.items() if name not in own}
    command = [sys.executable, "-m", f"parity.{module}", *arguments]
    env = clean | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)


def report(*arguments: str, **environment: str) -> Any:
    done = run("check", *arguments, "--json", "-", **environment)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def require(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed, so Keras cannot run on it")


def test_what_only_64_bit_types_mend_is_a_mismatch() -> None:
    require("jax")
    found = report(*PAIR, KERAS_BACKEND="jax")
    assert (found["verdict"], found["first"]) == ("mismatch", "1")
    assert found["cause"]["name"] == "64-bit types missing"
    assert "NaN" in found["cause"]["evidence"]
    assert found["environment"]["keras"]["x64"] is False
    assert "64-bit types" in found["notes"][0]


def test_a_process_that_has_64_bit_types_keeps_them() -> None:
    require("jax")
    found = report(*PAIR, KERAS_BACKEND="jax", JAX_ENABLE_X64="1")
    assert found["verdict"] == "match"
    assert found["environment"]["keras"]["x64"] is True
    assert found["notes"] == []


def test_the_dtype_compared_is_the_arrays() -> None:
    require("jax")
    pair = ["--torch", f"{POOLED}:torch_float64", "--keras", f"{POOLED}:keras_float64", "--input-shape", pooled.SHAPE]
    found = report(*pair, KERAS_BACKEND="jax")
    dtypes = [(entry["torch"], entry["keras"]) for entry in found["static"] if entry["field"] == "dtype"]
    assert dtypes == [("float64", "float32")] * 2


DTYPES = """
import warnings
import keras, numpy as np
from parity.frameworks.keras.dtypes import computing_in, dtype_of, has_wide_types, real_dtype
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that JAX makes float32 of it
    variable = keras.Variable(np.zeros(2), dtype="float64")
def promoted():
    made = keras.backend.standardize_dtype(keras.ops.ones(1, "float64").dtype)
    return keras.backend.result_type("float64", "float64"), made
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    outside = promoted()
    with computing_in("float64"):
        inside, wide = promoted(), has_wide_types()
    with computing_in("float32"):
        narrow = promoted()
    try:
        with computing_in("float64"):
            raise ValueError
    except ValueError:
        after = promoted()
print(variable.dtype, dtype_of(variable), inside == ("float64", "float64"), wide, outside == narrow == after, *outside)
"""


@pytest.mark.parametrize(
    ("backend", "held", "outside"),
    [
        ("jax", "float32", "float32 float32"),
        ("torch", "float64", "float32 float64"),
        ("tensorflow", "float64", "float64 float64"),
    ],
)
def test_float64_is_lifted_for_a_float64_run_alone(backend: str, held: str, outside: str) -> None:
    require(backend)
    printed = run_python(DTYPES, KERAS_BACKEND=backend, JAX_ENABLE_X64="0").split()
    assert printed[:5] == ["float64", held, "True", "True", "True"]
    assert printed[5:] == outside.split()


MOMENTUM = ["--optimizer", "momentum", "--schedule", "cosine"]
ADAM = ["--optimizer", "adam", "--dtype", "float64"]


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("jax", MOMENTUM),
        ("torch", ADAM),
        pytest.param("jax", ADAM, marks=pytest.mark.slow),
        pytest.param("torch", MOMENTUM, marks=pytest.mark.slow),
    ],
)
def test_training_on_other_backends(backend: str, options: list[str]) -> None:
    require(backend)
    done = run("train", *TRAINED, *options, "--steps", "6", "--json", "-", KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr + done.stdout[:2000]
    document = json.loads(done.stdout)
    assert document["runs"][0]["dtype"] == "float64"
    assert max(document["runs"][0]["curves"]["gradient"]["error"]) < 1e-11
    assert document["environment"]["keras"]["backend"] == backend
    assert len(set(document["runs"][0]["loss"]["keras"])) == 6  # each batch's own


DROPPING = (
    "--torch",
    "tests.checks.training_models:torch_dropout",
    "--keras",
    "tests.checks.training_models:keras_dropout",
    "--input-shape",
    "3,8,8",
)


@pytest.mark.parametrize(
    ("backend", "tool", "options"),
    [
        ("torch", "check", ["--gradients"]),
        pytest.param("torch", "train", ["--steps", "2"], marks=pytest.mark.slow),
        pytest.param("jax", "train", ["--steps", "2"], marks=pytest.mark.slow),
    ],
)
def test_dropout_on_other_backends(backend: str, tool: str, options: list[str]) -> None:
    """Its seeds are whole numbers, and on JAX a step takes the model's own variables alone."""
    require(backend)
    done = run(tool, *DROPPING, *options, "--dtype", "float64", "--json", "-", KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "match"


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["biased_variance", "gradient_stopped"])
def test_a_fault_in_training_on_jax(fault: str) -> None:
    require("jax")
    faulty = [f"tests.checks.training_models:{fault}" if word.endswith("keras_basic") else word for word in TRAINED]
    done = run("train", *faulty, "--steps", "2", "--json", "-", KERAS_BACKEND="jax")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["fault"]["dtype"] == "float64"


@pytest.mark.parametrize(
    ("option", "variable", "effective"), [("as-is", "0", False), ("off", "1", False), ("on", "0", True)]
)
def test_onednn_is_as_asked_and_said(option: str, variable: str, effective: bool) -> None:
    if option == "on" and tensorflow_onednn() is None:
        pytest.skip("this TensorFlow does not tell whether it has oneDNN")
    settings = {"TF_ENABLE_ONEDNN_OPTS": variable, "OMP_NUM_THREADS": "1"}
    found = report("cifar_resnet20", "--input-shape", "3,16,16", "--onednn", option, **settings)
    assert found["verdict"] == "match"
    environment = found["environment"]
    assert environment["onednn"] == option
    assert environment["keras"]["onednn"] is effective
    assert environment["torch"]["threads"] == 1  # the user's own
    assert environment["keras"]["threads"] >= 1
    for side in ("torch", "keras"):
        assert {name: environment[side][name] for name in ("processor", "instructions")} == processor()
    assert any("as --onednn asks" in note for note in found["notes"]) is (option != "as-is")


def test_a_running_process_cannot_be_asked_for_other_kernels() -> None:
    import torch
    from keras import Input, Sequential, layers

    models = torch.nn.Sequential(torch.nn.Linear(3, 2)), Sequential([Input((3,)), layers.Dense(2)])
    effective, other = ("on", "off") if tensorflow_onednn() else ("off", "on")
    x = [[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]]
    assert parity.check(*models, x, weights="copy", onednn=effective).ok
    with pytest.raises(ParityError, match="which cannot be changed once it is loaded; set TF_ENABLE_ONEDNN_OPTS="):
        parity.check(*models, x, weights="copy", onednn=other)
    with pytest.raises(ParityError, match="onednn must be 'on', 'off' or 'as-is', and is 'auto'"):
        parity.check(*models, x, weights="copy", onednn="auto")
    with pytest.raises(ParityError, match="a setting of TensorFlow, and Keras's backend is jax"):
        require_onednn("on", "jax")


def test_settings_are_told_in_one_line_where_they_are_the_same() -> None:
    one = {"processor": "Zen", "instructions": "AVX2", "threads": 1, "onednn": False, "x64": True, "tf32": False}
    assert settings(one) == "Zen (AVX2), 1 thread, oneDNN off"
    assert list(where({"torch": one, "keras": one})) == ["both on Zen (AVX2), 1 thread, oneDNN off"]
    other = one | {"threads": 4, "x64": False}
    assert list(where({"torch": one, "keras": other})) == [
        "torch on Zen (AVX2), 1 thread, oneDNN off; Keras on Zen (AVX2), 4 threads, oneDNN off, x64 off"
    ]
    assert list(where({})) == []
    assert list(notes({"torch": one, "keras": one, "onednn": "as-is"})) == []
    assert len(list(notes({"torch": one | {"tf32": True}, "keras": one, "onednn": "on"}))) == 2


def test_a_schedule_that_rounds_is_allowed_its_roundings() -> None:
    unit = 2.0**-24
    assert rate_allowed(made("sgd"), 5, 0.01, unit) == 0.0
    falling = made("sgd", schedule="cosine", lr=0.1)
    assert rate_allowed(falling, 5, 0.1, unit) == pytest.approx(15 * unit)
    assert rate_allowed(falling, 5, 0.001, unit) == pytest.approx(1500 * unit)  # of the peak, not of what is left
    assert rate_allowed(falling, 1000, 0.1, unit) < 1e-4  # a step too few moves a rate by more


def test_benchmarks_say_their_settings() -> None:
    """What every file of benchmarks/results/ is to name."""
    from benchmarks.measure import settings as measured

    found = measured()
    assert found["torch"].keys() >= {"torch", "threads", "onednn"}
    assert found["keras"].keys() >= {"x64", "floatx", "threads"}
