"""A target's two models, each in a process of its own -> a Report; on one device or on several."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from parity.cli import name_map_of, progress_bar


def _check(target: Any, arguments: argparse.Namespace) -> Any:
    from parity.runners.process import SideProcess

    name_map = name_map_of(arguments.map)
    with tempfile.TemporaryFile(prefix="parity-") as file, ExitStack() as stack:

        def start(framework: str, device: str) -> Any:
            process = SideProcess(framework, getattr(target, framework), file.fileno(), device)
            stack.callback(process.end)
            return process

        if arguments.devices == ("cpu",):
            processes = [start(framework, "cpu") for framework in ("torch", "keras")]
            return _compare(target, arguments, processes, file.fileno(), name_map)
        return _compare_devices(target, arguments, start, file.fileno(), name_map)


def _compare(target: Any, arguments: argparse.Namespace, processes: list[Any], shelf: int, name_map: Any) -> Any:
    from parity.runners.recording import Shelf
    from parity.runners.remote import RemoteSide

    from .forward import compare_sides

    torch, keras = (RemoteSide(process, Shelf(shelf)) for process in processes)
    options, x = _options(target, arguments, name_map)
    with progress_bar(arguments) as progress:
        return compare_sides(target.name, x, torch, keras, options, progress)


def _compare_devices(target: Any, arguments: argparse.Namespace, start: Any, shelf: int, name_map: Any) -> Any:
    from parity.runners.recording import Shelf
    from parity.runners.remote import RemoteSide

    from .devices import matrix, require

    @contextmanager
    def open_side(framework: str, device: str) -> Iterator[Any]:
        process = start(framework, device)
        yield RemoteSide(process, Shelf(shelf))
        process.end()

    devices = arguments.devices
    require(devices, open_side)
    options, x = _options(target, arguments, name_map)
    cells = matrix(x, devices, options, open_side)
    processes = [start(framework, devices[0]) for framework in ("torch", "keras")]
    return replace(_compare(target, arguments, processes, shelf, name_map), devices=cells)


def _options(target: Any, arguments: argparse.Namespace, name_map: Any) -> tuple[Any, Any]:
    from parity.models.probes import probe_input

    from .options import Options

    plain = arguments.dtype, arguments.batch_size, arguments.seed, arguments.weights
    checkpoint = None if arguments.checkpoint is None else (arguments.checkpoint, arguments.target)
    options = Options(
        *plain, checkpoint is None, name_map=name_map, gradients=arguments.gradients, checkpoint=checkpoint
    )
    return options, probe_input((arguments.batch_size, *target.input_shape), arguments.seed)
