"""PyTorch. Importing this imports no framework."""

from parity.frameworks.folders import Model

TITLE = "torch"

MODEL = Model("Module", "torch.nn.modules.module", "torch.nn.Module")
