"""Train a ResNet on handwritten digits with Keras's compile, fit and evaluate. Lay it beside mnist_torch.py.

SGD with momentum, the learning rate falling to 0 along half a cosine; a checkpoint after every epoch. Both examples
take the same images in the same order. `--dataset digits` needs no network and takes about a minute on two cores.
"""

import json
import math
import sys
from dataclasses import asdict
from typing import Any

from . import command, data, training
from .data import Part, Raw
from .start import keras, resnet_keras
from .training import Run, Settings

CHECKPOINT, HISTORY = "checkpoint.keras", "history.json"
EVALUATION_BATCH = 256


def download() -> Raw:
    """MNIST by Keras, which downloads it once and checks its hash."""
    return keras.datasets.mnist.load_data()  # type: ignore[no-any-return]


class Shuffled(keras.utils.PyDataset):
    """Batches in another order in every epoch, which depends on the seed and the epoch's number alone.

    Given arrays and a seed, `fit` would take the same order in every epoch: TensorFlow starts its shuffle anew for
    each (Keras 3.15). Without a seed no run could be repeated or resumed. `Watch` sets the epoch's number.
    """

    def __init__(self, part: Part, batch_size: int, seed: int) -> None:
        super().__init__()
        self.part, self.batch_size, self.seed, self.epoch = part, batch_size, seed, 0

    def __len__(self) -> int:
        return len(self.part) // self.batch_size

    def __getitem__(self, index: int) -> Any:
        order = data.order(len(self.part), self.seed, self.epoch)
        batch = self.part.only(order[index * self.batch_size :][: self.batch_size])
        return batch.x, batch.y


def build(settings: Settings, channels: int, size: int) -> keras.Model:
    """The variant; with dropout, its body, dropout and a classifier."""
    builder = getattr(resnet_keras, settings.model)
    if not settings.dropout:
        return builder(num_classes=10, in_channels=channels, input_size=size)
    body = builder(num_classes=0, in_channels=channels, input_size=size)
    inputs = keras.Input((size, size, channels))
    return keras.Sequential([inputs, body, keras.layers.Dropout(settings.dropout), keras.layers.Dense(10)])


class Watch(keras.callbacks.Callback):
    """After every epoch, a row of the history and a checkpoint; in between, the progress bar."""

    def __init__(self, run: Run, batches: Shuffled, step: Any) -> None:
        super().__init__()
        self.run, self.batches, self.step, self.text = run, batches, step, ""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.epoch = epoch
        self.text = f"epoch {epoch + 1} of {self.run.settings.epochs}"

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step(self.text)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.run.add({name: float(value) for name, value in logs.items()} | {"rate": rate(self.model)})
        self.run.random.append([generator.numpy().tolist() for generator in generators(self.model)])
        save(self.run, self.model)


def generators(model: keras.Model) -> list[Any]:
    """The states of the random generators, which a .keras file leaves out (Keras 3.15): here, dropout's."""
    return [variable for variable in model.variables if "seed_generator" in variable.path]


def rate(model: keras.Model) -> float:
    """The learning rate of the next step."""
    return float(model.optimizer.learning_rate)


def fit(run: Run, model: keras.Model | None = None) -> keras.Model:
    """Train from the start or the last checkpoint to the last epoch; without `model`, build what the settings say."""
    settings, images = run.settings, run.images
    keras.utils.set_random_seed(settings.seed)
    if run.resume:
        model = load(run)
    else:
        model = build(settings, images.channels, images.size) if model is None else model
        schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * run.steps)
        model.compile(
            optimizer=keras.optimizers.SGD(schedule, momentum=0.9),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    done = len(run.history)
    batches = Shuffled(images.train, settings.batch_size, settings.seed)
    with command.progress((settings.epochs - done) * run.steps) as step:
        model.fit(
            batches,
            validation_data=(images.validation.x, images.validation.y),
            validation_batch_size=EVALUATION_BATCH,
            epochs=settings.epochs,
            initial_epoch=done,
            callbacks=[Watch(run, batches, step)],
            shuffle=False,  # `Shuffled` does that; `fit` would mix the batches by Python's generator
            verbose=0,
        )
    return model


def save(run: Run, model: keras.Model) -> None:
    """All that the next epoch depends on: a .keras file holds the weights and the optimizer.

    The history is written first: of the two files, the model's says how many epochs are done.
    """
    document = {"settings": asdict(run.settings), "history": run.history, "random": run.random}
    training.write_json(run.folder / HISTORY, document)
    with command.replacing(run.folder / CHECKPOINT) as part:
        model.save(part)


def load(run: Run) -> keras.Model:
    """Go on as if nothing had happened."""
    path, history = run.needs(run.folder / CHECKPOINT), run.needs(run.folder / HISTORY)
    try:
        document = json.loads(history.read_text())
        model = keras.models.load_model(path)
        done = int(model.optimizer.iterations) // run.steps
    except Exception as error:  # noqa: BLE001 - a damaged file makes Keras raise nearly anything
        why = type(error).__name__
        raise command.ExampleError(f"{path} must be a checkpoint, and is not ({why}); start anew") from None
    run.adopt(document["settings"], document["history"][:done])
    run.random = document["random"][:done]
    for generator, value in zip(generators(model), run.random[-1], strict=True):
        generator.assign(value)
    return model


def main(argv: list[str] | None = None) -> None:
    """Train, evaluate, print the table and save the curves."""
    run = training.prepare("mnist_keras", __doc__, download, argv)
    took = training.Stopwatch()
    model = fit(run)
    test = run.images.test
    test_loss, test_accuracy = model.evaluate(test.x, test.y, batch_size=EVALUATION_BATCH, verbose=0)
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    training.report(run, "Keras", parameters, test_loss, test_accuracy, took)


if __name__ == "__main__":
    sys.exit(command.run(main, "mnist_keras"))
