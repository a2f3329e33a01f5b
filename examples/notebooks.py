"""Write and run the two notebooks, whose cells use the examples' modules: tour.ipynb and debugging_a_port.ipynb.

`python -m examples.notebooks` writes them into examples/; what they print and draw is kept in them.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from . import command

HERE = Path(__file__).parent
SECONDS = 600  # for one cell

TOUR = """
# One ResNet, written twice: a tour

`resnet_torch` and `resnet_keras` hold the same networks, line by line. This notebook builds one in both frameworks,
copies the weights, proves that they compute the same, and trains both. Run it from the project's folder.
%%
from inspect import getsource

import torch
from IPython.display import Image

import parity
import resnet_torch
from examples import data, gradient_flow, mnist_keras, mnist_torch, plots, resnext_forms, tour
from examples.start import resnet_keras
from parity.checks.report import headline
%%
## The same block

A block computes relu(F(x) + shortcut(x)). What differs between the two is what a reader should know: `call` for
`forward`, and nothing else here.
%%
print(getsource(resnet_torch.BasicBlock.forward))
print(getsource(resnet_keras.BasicBlock.call))
%%
## The same network, the same weights

Both are built with fresh weights; one call copies PyTorch's into Keras, transposing kernels on the way.
%%
torch.manual_seed(0)
ours = resnet_torch.cifar_resnet20(in_channels=1, input_size=16)
theirs = resnet_keras.cifar_resnet20(in_channels=1, input_size=16)
parity.copy_weights(ours, theirs)

images = data.digits(2)
x = images.test.x[:4].transpose(0, 3, 1, 2)  # PyTorch's order: N, C, H, W
report = parity.check(ours, theirs, x)
print(headline(report))
%%
Every layer is compared, in float64 with the other framework's input as well as its own; the greatest difference is
rounding. `python -m parity.check resnet50` prints the same of a whole network by name.
%%
for layer in report.layers[:8]:
    print(f"{layer.path:16} {layer.kind:12} {layer.inherited.error:.1e}")
%%
## The same gradients

Before the first step, the gradient of every kernel: with shortcuts (blue) and without (orange), PyTorch's as lines and
Keras's as rings.
%%
part = data.digits(4).train.only(range(16))
norms = {kind: gradient_flow.measure(kind, 20, part, seed=0) for kind in ("plain", "resnet")}
Image(plots.png(gradient_flow.picture(norms, 20)), width=800)
%%
## Three forms of a ResNeXt block

Summed branches, concatenated branches, one grouped convolution: the same function up to rounding.
%%
resnext_forms.gaps(size=7)
%%
## The same training

Both see the same images in the same order, from the same weights. The losses lie on top of each other at first; then
rounding, which training amplifies, parts them. A plain PyTorch loop on one side, `compile` and `fit` on the other:
%%
print(getsource(mnist_torch.train_epoch))
print(getsource(mnist_keras.fit))
%%
histories = tour.train_both(epochs=4)
Image(plots.png(tour.picture(histories)), width=800)
"""

DEBUGGING = """
# Debugging a port

A small PyTorch model was ported to Keras. The port runs, its shapes are right, and it computes something else. Three
mistakes are in it; `parity.check` names them one after the other. Run this notebook from the project's folder.
%%
from inspect import getsource

import torch
from IPython.display import Image

import parity
from examples import plots, port_your_model
from examples.port_your_model import Net, port, probe, trained_looking
from parity.reports.terminal.check import text

print(getsource(Net))
%%
## The port

`corrected` lists the mistakes that are already repaired; at first, none.
%%
print(getsource(port))
%%
The statistics of a fresh batch norm are 0 and 1, and hide mistakes. So the model gets weights and statistics as
training leaves them, and `weights="copy"` copies them into the port before each comparison.
%%
torch.manual_seed(0)
model, x = trained_looking(Net()), probe()
report = parity.check(model, port(), x, weights="copy")
print(text(report))
%%
## First: padding

Everything after `conv1` differs, but `conv1` is the first layer at fault, and the cause is proven: PyTorch's layer,
run with TensorFlow's "same" padding, gives what Keras gave. Under stride 2, "same" pads an even image on the right and
below only. Explicit padding corrects it, in `conv2` as well.
%%
report = parity.check(model, port(["padding"]), x, weights="copy")
print(text(report))
%%
## Second: epsilon and momentum

Keras's batch norm adds 1e-3 to the variance where PyTorch's adds 1e-5, and its momentum is 0.99 where PyTorch's 0.1
means 0.9. No output in inference shows the momentum; the settings are compared as data.
%%
report = parity.check(model, port(["padding", "epsilon"]), x, weights="copy")
print(text(report))
%%
## Third: the slope of LeakyReLU

0.3 in Keras, 0.01 in PyTorch.
%%
report = parity.check(model, port(["padding", "epsilon", "slope"]), x, weights="copy")
print(text(report))
%%
Every layer matches to rounding. All four attempts in one picture:
%%
Image(plots.png(port_your_model.picture(port_your_model.attempts())), width=800)
%%
## All three at once, by themselves

Each report above names the line of the port, and what to write there. `parity.mend` does that in memory: it edits
the line, proves the edit by a check, and goes on to the next cause. The file stays as it is without `--in-place`.
%%
print(port_your_model.MEND)
print(port_your_model.mended())
%%
In a test suite, one line keeps it so: `parity.assert_parity(model, port(...), x)` raises with this same text.
"""

NOTEBOOKS = {"tour": TOUR, "debugging_a_port": DEBUGGING}
CODE = ("for ", "from ", "import ", "print(", "torch.", "report ", "part ", "histories ", "resnext_forms.", "Image(")


def build(name: str) -> Any:
    """A notebook without outputs. Cells stand between lines of %%; those that begin like code are code."""
    cells = []
    for number, text in enumerate(NOTEBOOKS[name].split("%%\n")):
        make: Any = new_code_cell if text.lstrip().startswith(CODE) else new_markdown_cell
        cell = make(text.strip())
        cell["id"] = f"{name}-{number}"
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def execute(notebook: Any, folder: Path) -> Any:
    """Run every cell in the project's folder. Raises ExampleError with the cell's own error."""
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise command.ExampleError(
            f"every cell must run, and one did not ({error.ename}: {error.evalue}); run what it calls alone"
        ) from None
    except DeadKernelError:
        raise command.ExampleError("every cell must run, and the kernel died in one; is there enough memory?") from None
    notebook.metadata["language_info"] = {"name": "python"}  # not the version of this machine's Python
    return notebook


def main(argv: list[str] | None = None) -> None:
    """Write both, executed."""
    parser = command.parser("notebooks", __doc__)
    parser.add_argument("--output", type=Path, default=HERE, metavar="FOLDER", help="(examples/)")
    parser.add_argument("names", nargs="*", metavar="NAME", type=_name, help=f"{' or '.join(NOTEBOOKS)} (both)")
    options = parser.parse_args(argv)
    names = options.names or list(NOTEBOOKS)
    with command.progress(len(names)) as step:
        for name in names:
            notebook = execute(build(name), HERE.parent)
            with command.replacing(options.output / f"{name}.ipynb") as part:
                part.write_text(nbformat.writes(notebook) + "\n")
            step(name)
    print("\n".join(str(options.output / f"{name}.ipynb") for name in names))


def _name(text: str) -> str:
    if text not in NOTEBOOKS:
        raise argparse.ArgumentTypeError(f"expected {' or '.join(NOTEBOOKS)}, got {text!r}")
    return text


if __name__ == "__main__":
    sys.exit(command.run(main, "notebooks"))
