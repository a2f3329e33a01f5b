"""The other examples: each runs, prints what it should, and draws its picture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import parity
from examples import command, data, degradation, gradient_flow, port_your_model, resnext_forms, transfer
from parity.verdict.difference import STRUCTURE_LINE

from .helpers import is_png, small_mnist

MODULES = {
    "degradation": degradation,
    "gradient_flow": gradient_flow,
    "port_your_model": port_your_model,
    "resnext_forms": resnext_forms,
    "transfer": transfer,
}


def output(name: str, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What an example prints; it must succeed, and say nothing on stderr."""
    assert command.run(MODULES[name].main, name, [str(argument) for argument in arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("name", [*MODULES, "mnist_torch", "mnist_keras", "notebooks"])
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from importlib import import_module

    with pytest.raises(SystemExit) as end:
        import_module(f"examples.{name}").main(["--help"])
    assert end.value.code == 0
    assert f"python -m examples.{name}" in capsys.readouterr().out


@pytest.fixture(scope="module")
def attempts() -> list[tuple[str, Any]]:
    return port_your_model.attempts()


@pytest.mark.parametrize(
    ("number", "first", "cause"),
    [(0, "conv1", "asymmetric padding"), (1, "bn1", "BN eps"), (2, "act1", "activation slope")],
)
def test_each_report_names_the_next_mistake(
    attempts: list[tuple[str, Any]], number: int, first: str, cause: str
) -> None:
    report = attempts[number][1]
    assert not report.ok
    assert report.first == first
    assert report.cause.name == cause
    assert all(found.name != "unknown" for found in report.causes)


def test_the_last_port_matches(attempts: list[tuple[str, Any]]) -> None:
    assert attempts[-1][1].ok
    parity.assert_parity(
        port_your_model.trained_looking(port_your_model.Net()),
        port_your_model.port(port_your_model.MISTAKES),
        port_your_model.probe(1),
        weights="copy",
    )


def test_port_your_model(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                         attempts: list[tuple[str, Any]]) -> None:  # fmt: skip
    monkeypatch.setattr(port_your_model, "attempts", lambda: attempts)
    monkeypatch.setattr(port_your_model, "mended", lambda: "mended: all")  # tests/checks/test_mending.py has one
    out = output("port_your_model", capsys, "--plot", tmp_path / "port.png")
    assert out.count("== attempt") == 4
    assert out.count("mended: all") == 1
    assert out.count("MISMATCH: ") == 3
    assert "\nMATCH: Net and Functional " in out
    assert is_png(tmp_path / "port.png")


def test_gradient_flow(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = output("gradient_flow", capsys, "--depth", 20, "--images", 4, "--plot", tmp_path / "flow.png")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith(" cifar")}
    assert float(rows["cifar_plain20"][4]) > 1.5 * float(rows["cifar_resnet20"][4])  # first / last
    assert all(float(row[5]) < STRUCTURE_LINE for row in rows.values())  # PyTorch to Keras
    assert is_png(tmp_path / "flow.png")


def test_gradient_flow_sees_another_network() -> None:
    part = data.digits(4).train.only(np.arange(4))
    one, other = (gradient_flow.measure("resnet", 20, part, seed) for seed in (0, 1))
    assert gradient_flow.gap(one[0], other[1]) > 1e-3


def test_resnext_forms(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = output("resnext_forms", capsys, "--size", 4, "--batch-size", 1, "--repeats", 1, "--plot", tmp_path / "a.png")
    assert out.count("32 branches, summed") == 2
    assert is_png(tmp_path / "a.png")


def test_resnext_forms_that_differ(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms = resnext_forms.torch_forms

    def damaged() -> dict[str, Any]:
        made = forms()
        made["b"].bn3.weight.data[0] *= 1 + 1e-6
        return made

    monkeypatch.setattr(resnext_forms, "torch_forms", damaged)
    monkeypatch.setattr(resnext_forms, "times", lambda *_: dict.fromkeys(_keys(), 1.0))
    assert command.run(resnext_forms.main, "resnext_forms", ["--size", "4", "--plot", str(tmp_path / "a.png")]) == 2
    assert "must agree to 1e-14" in capsys.readouterr().err


def _keys() -> list[tuple[str, str, str]]:
    return [(a, b, c) for a in ("PyTorch", "Keras") for b in "abc" for c in ("inference", "training")]


def test_degradation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    npz = small_mnist(tmp_path / "images.npz", train=40)
    options = ("--data", npz, "--depths", 20, "--epochs", 2, "--batch-size", 9, "--output", tmp_path)
    first = output("degradation", capsys, *options)
    assert "residual, 20 layers" in first
    assert is_png(tmp_path / "degradation.png")
    again = output("degradation", capsys, *options, "--resume")  # all is done: only read
    assert again.split(" s, ")[0].rsplit("\n", 1)[0] == first.split(" s, ")[0].rsplit("\n", 1)[0]


@pytest.fixture
def small_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    images = data.digits(1)
    small = data.Data("digits", *(part.only(np.arange(60)) for part in (images.train, images.validation, images.test)))
    monkeypatch.setattr(data, "digits", lambda times: small)
    monkeypatch.setattr(transfer, "BODY_EPOCHS", 1)


@pytest.mark.usefixtures("small_transfer")
def test_transfer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    body = transfer.train_body

    def few_batches(options: Any, images: data.Data) -> str:
        return body(options, images.map(lambda part: part.only(np.arange(40) % len(part))))

    transfer.train_body, kept = few_batches, transfer.train_body
    try:
        out = output("transfer", capsys, "--images", 10, "--epochs", 1, "--batch-size", 5, "--output", tmp_path)
    finally:
        transfer.train_body = kept
    assert all(plan in out for plan in transfer.PLANS)
    assert is_png(tmp_path / "transfer.png")
    _only_the_plan_was_trained(tmp_path)


def _only_the_plan_was_trained(folder: Path) -> None:
    """In both frameworks all that is frozen is as it was in the body's file, statistics too, and the rest is not."""
    body = torch.load(folder / "body.pth", weights_only=True)
    for plan, trained in (("head", ()), ("last stage", ("layer3.",))):
        for name, state in (
            ("PyTorch", torch_state(folder / f"PyTorch {plan}")),
            ("Keras", keras_state(folder / f"Keras {plan}")),
        ):
            for key, value in state.items():
                same = np.array_equal(value, body[key].numpy())
                assert same != key.startswith(trained or "-"), f"{name}, {plan}: {key}"


def torch_state(folder: Path) -> dict[str, Any]:
    state = torch.load(folder / "checkpoint.pt", weights_only=True)["model"]
    kept = {key.removeprefix("body."): value.numpy() for key, value in state.items() if key.startswith("body.")}
    return {key: value for key, value in kept.items() if not key.endswith("num_batches_tracked")}


def keras_state(folder: Path) -> dict[str, Any]:
    """The Keras body's arrays by PyTorch's names and axes."""
    from examples.start import keras, resnet_keras

    model = keras.models.load_model(folder / "checkpoint.keras")
    body = next(layer for layer in model.layers if isinstance(layer, resnet_keras.ResNet))
    twin = transfer.resnet_torch.cifar_resnet20(num_classes=0, in_channels=1, input_size=8)
    parity.copy_weights(body, twin)
    state = {key: value.numpy() for key, value in twin.state_dict().items()}
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def test_transfer_from_a_file_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command.run(transfer.main, "transfer", ["--weights", "no.pth", "--output", str(tmp_path)]) == 2
    assert "no.pth is no file" in capsys.readouterr().err


def test_output_that_cannot_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    npz = small_mnist(tmp_path / "images.npz", train=40)
    arguments = ["--data", str(npz), "--depths", "20", "--epochs", "1", "--output", str(tmp_path / "file")]
    assert command.run(degradation.main, "degradation", arguments) == 2
    err = capsys.readouterr().err
    assert "must be a folder that can be written to" in err
    assert err.count("\n") == 1


def test_replacing_changes_nothing_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    try:
        with command.replacing(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
