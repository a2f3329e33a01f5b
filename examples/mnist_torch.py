"""Train a ResNet on handwritten digits in a plain PyTorch loop. Lay it beside mnist_keras.py.

SGD with momentum, the learning rate falling to 0 along half a cosine; a checkpoint after every epoch. Both examples
take the same images in the same order. `--dataset digits` needs no network and takes about a minute on two cores.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, Sampler, TensorDataset

import resnet_torch

from . import command, data, training
from .data import Part, Raw
from .training import Run, Settings

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CHECKPOINT = "checkpoint.pt"
EVALUATION_BATCH = 256
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"  # the file that Keras's loader takes
HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def download() -> Raw:
    """MNIST by torch.hub, which downloads it once and checks its hash; torchvision is not needed."""
    path = Path(torch.hub.get_dir(), "datasets", "mnist.npz")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(path), HASH, progress=sys.stderr.isatty())
    with np.load(path) as file:
        return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])


class Shuffled(Sampler[int]):
    """Another order in every epoch, which depends on the seed and the epoch's number alone."""

    def __init__(self, count: int, seed: int, epoch: int = 0) -> None:
        self.count, self.seed, self.epoch = count, seed, epoch

    def __iter__(self) -> Any:
        yield from data.order(self.count, self.seed, self.epoch).tolist()

    def __len__(self) -> int:
        return self.count


def tensors(part: Part) -> TensorDataset:
    """Images as (N, C, H, W) and labels."""
    return TensorDataset(torch.from_numpy(part.x).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(part.y))


def build(settings: Settings, channels: int, size: int) -> nn.Module:
    """The variant; with dropout, its body, dropout and a classifier."""
    builder = getattr(resnet_torch, settings.model)
    if not settings.dropout:
        return builder(num_classes=10, in_channels=channels, input_size=size)  # type: ignore[no-any-return]
    body = builder(num_classes=0, in_channels=channels, input_size=size)
    features = body.config.widths[-1] * body.config.expansion
    return nn.Sequential(body, nn.Dropout(settings.dropout), nn.Linear(features, 10))


def train_epoch(model: nn.Module, loader: Any, optimizer: Any, schedule: Any, tick: Any) -> dict[str, float]:
    """One pass over the training images; mean loss and accuracy, as the model was while it learned."""
    model.train()
    total, right, count = 0.0, 0, 0
    for x, y in loader:
        x, y = x.to(DEVICE), y.to(DEVICE)
        optimizer.zero_grad()
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        total, right, count = total + loss.item() * len(y), right + int((logits.argmax(1) == y).sum()), count + len(y)
        tick()
    return {"loss": total / count, "accuracy": right / count}


@torch.no_grad()
def evaluate(model: nn.Module, images: TensorDataset) -> tuple[float, float]:
    """Mean loss and accuracy."""
    model.eval()
    total, right = 0.0, 0
    for x, y in DataLoader(images, EVALUATION_BATCH):
        x, y = x.to(DEVICE), y.to(DEVICE)
        logits = model(x)
        total += nn.functional.cross_entropy(logits, y, reduction="sum").item()
        right += int((logits.argmax(1) == y).sum())
    return total / len(images), right / len(images)


def fit(run: Run, model: nn.Module | None = None) -> nn.Module:
    """Train from the start or the last checkpoint to the last epoch; without `model`, build what the settings say."""
    settings, images = run.settings, run.images
    torch.manual_seed(settings.seed)
    model = (build(settings, images.channels, images.size) if model is None else model).to(DEVICE)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=settings.learning_rate, momentum=0.9)
    schedule = CosineAnnealingLR(optimizer, T_max=settings.epochs * run.steps)
    sampler = Shuffled(len(images.train), settings.seed)
    loader = DataLoader(tensors(images.train), settings.batch_size, sampler=sampler, drop_last=True)
    validation = tensors(images.validation)
    if run.resume:
        load(run, model, optimizer, schedule)
    with command.progress((settings.epochs - len(run.history)) * run.steps) as step:
        for epoch in range(len(run.history), settings.epochs):
            sampler.epoch = epoch
            text = f"epoch {epoch + 1} of {settings.epochs}"
            row = train_epoch(model, loader, optimizer, schedule, lambda text=text: step(text))
            val_loss, val_accuracy = evaluate(model, validation)
            row |= {"val_loss": val_loss, "val_accuracy": val_accuracy, "rate": float(schedule.get_last_lr()[0])}
            run.add(row)
            save(run, model, optimizer, schedule)
    return model


def save(run: Run, model: nn.Module, optimizer: Any, schedule: Any) -> None:
    """All that the next epoch depends on. The order of the images needs no state; dropout's generator has one."""
    random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
    states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    document = {"settings": asdict(run.settings), "history": run.history, "random": random, **states}
    with command.replacing(run.folder / CHECKPOINT) as part:
        torch.save(document, part)


def load(run: Run, model: nn.Module, optimizer: Any, schedule: Any) -> None:
    """Go on as if nothing had happened."""
    path = run.needs(run.folder / CHECKPOINT)
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - a damaged file makes torch raise nearly anything
        why = type(error).__name__
        raise command.ExampleError(f"{path} must be a checkpoint, and is not ({why}); start anew") from None
    run.adopt(document["settings"], document["history"])
    model.load_state_dict(document["model"])
    optimizer.load_state_dict(document["optimizer"])
    schedule.load_state_dict(document["schedule"])
    torch.set_rng_state(document["random"]["cpu"])
    torch.cuda.set_rng_state_all(document["random"]["cuda"])


def main(argv: list[str] | None = None) -> None:
    """Train, evaluate, print the table and save the curves."""
    run = training.prepare("mnist_torch", __doc__, download, argv)
    took = training.Stopwatch()
    model = fit(run)
    test_loss, test_accuracy = evaluate(model, tensors(run.images.test))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    training.report(run, "PyTorch", parameters, test_loss, test_accuracy, took)


if __name__ == "__main__":
    sys.exit(command.run(main, "mnist_torch"))
