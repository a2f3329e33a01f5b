"""NumPy as a third framework: a folder like `parity/frameworks/torch`, of which no file of parity knows."""

from parity.frameworks.adapter import Model

TITLE = "NumPy"

MODEL = Model("Network", "tests.frameworks.numpy_adapter", "numpy_adapter.Network")
