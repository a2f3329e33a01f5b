"""`make pictures`: the pictures of the two pages in the README, taken by Chromium from pages made here and now.

The report is of a port with the classic mistake: one strided convolution of Keras's ResNet-50 padded with "same".
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

DOCS = Path(__file__).parent.parent / "docs"
BROWSERS = "chromium", "chromium-browser", "google-chrome"
SCALE = 1.5  # pixels of the picture for one of the page
COLORS = 200  # of the picture's palette: a third of the bytes


def padded_same() -> Any:
    """Keras's ResNet-50 as it is often written: `padding="same"` on a convolution with stride 2."""
    import resnet_keras

    model = resnet_keras.resnet50()
    convolution = getattr(model.layer2, "0").conv2
    convolution.pixels, convolution.padding = 0, "same"
    return model


def take(page: Path, picture: str, width: int, height: int) -> None:
    """Write a picture of the top of a page to docs/. Raises FileNotFoundError without a browser."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"pictures need {' or '.join(BROWSERS)} on the path (Debian: apt install chromium)")
    raw = page.with_suffix(".png")
    options = f"--window-size={width},{height}", f"--force-device-scale-factor={SCALE}", f"--screenshot={raw}"
    command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", *options, page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    DOCS.mkdir(exist_ok=True)
    Image.open(raw).convert("RGB").quantize(COLORS).save(DOCS / picture, optimize=True)
    print(f"docs/{picture}: {(DOCS / picture).stat().st_size >> 10} KiB")


def module(*arguments: str, code: int = 0) -> None:
    """Run `python -m arguments` and insist on its exit code."""
    done = subprocess.run([sys.executable, "-m", *arguments], check=False)
    if done.returncode != code:
        raise subprocess.CalledProcessError(done.returncode, arguments)


def main() -> None:
    """Make both pages, and take their pictures."""
    with tempfile.TemporaryDirectory() as folder:
        code, report = Path(folder) / "sidebyside.html", Path(folder) / "report.html"
        module("parity.sidebyside", "ResNet._build_stem", "ResNet.forward", "--output", str(code))
        take(code, "sidebyside.png", 1360, 1180)
        factories = "--torch", "resnet_torch:resnet50", "--keras", "benchmarks.pictures:padded_same"
        module("parity.check", *factories, "--input-shape", "3,224,224", "--html", str(report), "--quiet", code=1)
        take(report, "report.png", 1200, 1330)


if __name__ == "__main__":
    main()
