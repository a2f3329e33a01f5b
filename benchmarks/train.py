"""Training steps and forward passes of both packages against the stock layers, keras.applications and torchvision.

`python -m benchmarks.train [--rounds N] [--only TEXT]`. Each bar compares two implementations, as a rule in two
processes, that take turns, so that a busy moment of the machine meets both. The figure is the median of the ratios of
neighbouring runs; beside it stands the same ratio of processor seconds, which other processes disturb less. What Keras
does on TensorFlow is measured without oneDNN and with it (TF_ENABLE_ONEDNN_OPTS), as TensorFlow turns it on by itself
only where the processor has AVX512-VNNI or AMX. `--only` measures anew the bars whose name contains the text, and
leaves the others' figures as they are.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from .measure import merged, save
from .steps import BATCH, MATRIX, RESNEXTS

RESNET50_PRODUCTS = 4_089_184_256  # multiply-adds of one 224x224 image, in the convolutions and the classifier
SERVES = 3  # rounds of one process
MORE = 3  # times the rounds, where a figure between two bounds must be sharper
ROOFLINE = BATCH * RESNET50_PRODUCTS / MATRIX**3  # a batch's multiply-adds in matrix products


@dataclass(frozen=True)
class Bar:
    """`against` must take at least `least`, and at most `most`, times as long as `work`.

    first: the first step of a fresh process counts, tracing included. share: how many runs of `against` are compared.
    together: both in one process, where the same code is to take the same time: where memory lies matters more.
    """

    work: str
    against: str
    least: float
    most: float = float("inf")
    first: bool = False
    share: float = 1.0
    together: bool = False
    onednn: bool | None = None  # whether TensorFlow is to use it, in both

    @property
    def setting(self) -> str:
        """ "on", "off", or "-" where TensorFlow has no part in it."""
        return {None: "-", True: "on", False: "off"}[self.onednn]

    @property
    def title(self) -> str:
        """The work, and whether only its first time counts."""
        return self.work + (" (the first)" if self.first else "")


def _both(work: str, against: str, without: float, with_it: float, **more: Any) -> list[Bar]:
    """A bar without oneDNN and one with it."""
    return [Bar(work, against, least, onednn=on, **more) for on, least in ((False, without), (True, with_it))]


BARS = [
    *_both("keras resnext50_32x4d step", "stock resnext50_32x4d step", 12, 25),
    *_both("keras resnext101_32x8d step", "stock resnext101_32x8d step", 3, 3),
    *_both("keras cifar_resnext29_8x64d step", "stock cifar_resnext29_8x64d step", 3, 3),
    *_both("keras cifar_resnext29_16x64d step", "stock cifar_resnext29_16x64d step", 3, 3),
    *(bar for name in RESNEXTS for bar in _both(f"keras {name} predict", f"stock {name} predict", 1, 1)),
    Bar("keras resnext50_32x4d step", "torchvision resnext50_32x4d step", 1 / 1.05, onednn=True),
    *_both("keras resnet50 step", "applications resnet50 step", 1.3, 1.3),
    *_both("keras resnet50_keras step", "applications resnet50 step", 1.3, 1.3),  # the same network: v1, with biases
    *_both("keras resnet50 step", "applications resnet50 step", 1.7, 1.7, first=True),
    *_both("keras resnet50 predict", "applications resnet50 predict", 1.1, 1.1),
    *_both("keras folded predict", "applications resnet50 predict", 1.25, 1.25),
    Bar("torch resnet50 step", "torchvision resnet50 step", 0.97, 1.03, together=True),
    Bar("torch resnet50 forward", "torchvision resnet50 forward", 0.97, 1.03, together=True),
    Bar("torch folded forward", "torchvision resnet50 forward", 1.4),
    Bar("keras folded predict", "keras matrix product", 1 / 1.25, share=ROOFLINE, onednn=True),
    Bar("torch folded forward", "torch matrix product", 1 / 1.25, share=ROOFLINE),
]


class Worker:
    """A process that does the works of these names when asked."""

    def __init__(self, names: tuple[str, ...], warm_up: int, onednn: bool | None) -> None:
        command = [sys.executable, "-m", "benchmarks.steps", str(warm_up), *names]
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {} if onednn is None else {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self._line("ready")

    def _line(self, wanted: str = "") -> str:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if line.strip() == wanted or (not wanted and line[0].isdigit()):
                return line
        raise RuntimeError(f"{' '.join(map(str, self.process.args))} ended; run it by hand to see why")

    def run(self, name: str) -> tuple[float, ...]:
        """Do a work once: seconds, and seconds of the processors."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return tuple(map(float, self._line().split()))

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


Times = list[tuple[float, ...]]


def side_by_side(bar: Bar, rounds: int) -> tuple[Times, Times]:
    """Seconds of both, in turns: ABBA, so that a drift of the machine's speed cancels.

    Where its memory happens to lie can make a process a tenth slower for as long as it lives, so each serves a few
    rounds only, and with two works in one process the order in which they are made changes.
    """
    seconds: dict[str, Times] = {bar.work: [], bar.against: []}
    workers: dict[str, Worker] = {}
    for number in range(rounds):
        order = (bar.work, bar.against) if number % 2 == 0 else (bar.against, bar.work)
        if bar.first or number % SERVES == 0:
            _replace(workers, bar, order)
        for name in order:
            seconds[name].append(workers[name].run(name))
    for worker in set(workers.values()):
        worker.close()
    return seconds[bar.work], seconds[bar.against]


def _replace(workers: dict[str, Worker], bar: Bar, order: tuple[str, ...]) -> None:
    """Fresh processes for the ones that have served."""
    for worker in set(workers.values()):
        worker.close()
    warm_up = 0 if bar.first else 3
    if bar.together:
        workers.update(dict.fromkeys(order, Worker(order, warm_up, bar.onednn)))
    else:
        workers.update({name: Worker((name,), warm_up, bar.onednn) for name in order})


def measure(bar: Bar, rounds: int) -> dict[str, Any]:
    """The figures of one bar, and whether it is met."""
    load = [round(psutil.cpu_percent(1.0), 1)]
    ours, theirs = side_by_side(bar, rounds * (MORE if bar.together else 1))
    load.append(round(psutil.cpu_percent(1.0), 1))
    ratios, worked = ([bar.share * b[i] / a[i] for a, b in zip(ours, theirs, strict=True)] for i in (0, 1))
    ratio = median(ratios)
    return {
        "work": bar.title,
        "against": bar.against,
        "onednn": bar.setting,
        "seconds": round(median(wall for wall, _ in ours), 4),
        "seconds_against": round(bar.share * median(wall for wall, _ in theirs), 4),
        "rounds": len(ratios),
        "times_faster": round(ratio, 3),
        "times_faster_by_processor_seconds": round(median(worked), 3),
        "range": [round(min(ratios), 3), round(max(ratios), 3)],
        "at_least": round(bar.least, 3),
        "at_most": None if bar.most == float("inf") else bar.most,
        "met": bar.least <= ratio <= bar.most,
        "cpu_percent_before_and_after": load,
    }


def table(rows: list[dict[str, Any]]) -> Table:
    """The figures for a terminal."""
    made = Table("work", "against", "oneDNN", "seconds", "theirs", "times faster", "bar", "")
    for row in rows:
        bar = f"{row['at_least']:g}" + (f" to {row['at_most']:g}" if row["at_most"] else "")
        numbers = [f"{row[key]:.3f}" for key in ("seconds", "seconds_against", "times_faster")]
        made.add_row(row["work"], row["against"], row["onednn"], *numbers, bar, "met" if row["met"] else "NOT met")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Measure all bars, save the figures, and say which are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="pairs of runs per bar (default 9)")
    parser.add_argument("--only", default="", help="only the bars whose work or opponent contains this")
    options = parser.parse_args(arguments)
    bars = [bar for bar in BARS if options.only in f"{bar.title} / {bar.against}"]
    rows = []
    for bar in bars:
        rows.append(measure(bar, options.rounds))
        print(
            f"{rows[-1]['work']}, oneDNN {rows[-1]['onednn']}: {rows[-1]['times_faster']}", file=sys.stderr, flush=True
        )
    order = [(bar.title, bar.against, bar.setting) for bar in BARS]
    save("train", {"bars": merged("train", "bars", rows, ("work", "against", "onednn"), order)})
    Console(width=140).print(table(rows))
    return 0 if rows and all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
