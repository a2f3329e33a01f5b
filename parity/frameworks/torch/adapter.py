"""torch's entry: a spec or a model -> its Side, or one that is trained."""

from typing import Any

import torch

from parity.frameworks.adapter import Adapter, Store, Trainer
from parity.frameworks.build import build
from parity.frameworks.side import Side

from .side import TorchSide, torch_devices


class TorchAdapter(Adapter):
    """See `Adapter`."""

    def devices(self) -> list[str]:
        return torch_devices()

    def side(self, model: Any) -> Side:
        return TorchSide(model)

    def open(self, spec: str, seed: int, device: str, blank: bool) -> Side:
        torch.manual_seed(seed)
        return TorchSide(build(spec, "torch"), device)

    def trainer(self, spec: str, seed: int, dtype: str) -> Trainer:
        from .training import TorchTrainer

        torch.manual_seed(seed)
        return TorchTrainer(TorchSide(build(spec, "torch")), dtype)

    def store(self) -> Store:
        from .store import TorchStore

        return TorchStore()


ADAPTER: Adapter = TorchAdapter()
