"""Examples, each a module to run: `python -m examples.NAME --help`.

mnist_torch, mnist_keras   one network, trained in a plain PyTorch loop and by Keras's compile, fit, evaluate
degradation                deeper plain networks train worse, deeper residual ones do not
gradient_flow              how large the gradient is in every layer, with shortcuts and without
resnext_forms              the three forms of a ResNeXt block: the same function at three speeds
port_your_model            three mistakes in a port, found by parity.check and mended by parity.mend
transfer                   a trained body with a new head, its stages and norms frozen
notebooks                  writes tour.ipynb and debugging_a_port.ipynb from these modules
"""

import os

import parity  # noqa: F401 - its import hook brings torch's triton before TensorFlow

# Before TensorFlow is first imported; start.py holds back what it writes before it reads this.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
