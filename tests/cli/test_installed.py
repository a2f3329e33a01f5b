"""The project as a wheel, in a folder of its own and used from another one: nothing may depend on the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from parity.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built wheel installed in it."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder / "wheel"), str(_copy(folder))]
    done = subprocess.run([*pip, *build], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (folder / "wheel").glob("resnet_twins-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


def _copy(folder: Path) -> Path:
    """The tracked sources: a build writes beside them."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("parity", "resnet_torch", "resnet_keras"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    return source


def run(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`python ...` in another folder, with the wheel's packages before all others."""
    env = os.environ | {"PYTHONPATH": str(site), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_every_package_comes_from_the_wheel(site: Path, tmp_path: Path) -> None:
    names = "parity", "resnet_torch", "resnet_keras"
    found = run(
        site,
        tmp_path,
        "-c",
        "import importlib.util as u\n" + "\n".join(f"print(u.find_spec({n!r}).origin)" for n in names),
    )
    assert found.stdout.split() == [str(site / name / "__init__.py") for name in names]
    for name in names:
        assert (site / name / "py.typed").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_starts(site: Path, tmp_path: Path, command: str) -> None:
    done = run(site, tmp_path, "-m", f"parity.{command}", "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: python -m parity.{command}" in done.stdout


def test_the_console_script(site: Path, tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run([site / "bin" / "parity"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == list(COMMANDS)
    done = subprocess.run([site / "bin" / "parity", "chek"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("parity: COMMAND must be one of check, mend, train,")


def test_a_check_and_its_page(site: Path, tmp_path: Path) -> None:
    """Both packages, both processes and the templates are found."""
    words = ["-m", "parity.check", "cifar_resnet20", "--batch-size", "1", "--quiet", "--html", "page.html"]
    done = run(site, tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "MATCH: cifar_resnet20" in done.stdout
    assert "cifar_resnet20" in (tmp_path / "page.html").read_text()


def test_both_twins_side_by_side(site: Path, tmp_path: Path) -> None:
    done = run(site, tmp_path, "-m", "parity.sidebyside", "Residual")
    assert done.returncode == 0, done.stderr
    assert "class Residual" in done.stdout
