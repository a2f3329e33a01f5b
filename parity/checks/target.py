"""A target's two models, each in a process of its own -> a Report; on one device or on several."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from parity.models.targets import Target

from .options import Options, Progress

if TYPE_CHECKING:
    from parity.runners.process import SideProcess
    from parity.runners.runner import Runner

    from .report import Report

Start = Callable[[str, str], "SideProcess"]  # of a framework, on a device


def check_target(target: Target, options: Options, progress: Progress, devices: tuple[str, ...] = ("cpu",)) -> "Report":
    """Compare the target's models on every device named. Raises ParityError where that cannot be done."""
    from parity.runners.process import SideProcess

    with tempfile.TemporaryFile(prefix="parity-") as file, ExitStack() as stack:

        def start(framework: str, device: str) -> SideProcess:
            spec = getattr(target, framework)
            process = SideProcess(framework, spec, file.fileno(), device, onednn=options.onednn)
            stack.callback(process.end)
            return process

        if devices == ("cpu",):
            return _compare(target, options, progress, start, "cpu", file.fileno())
        return _compare_devices(target, options, progress, start, devices, file.fileno())


def _compare(target: Target, options: Options, progress: Progress, start: Start, device: str, shelf: int) -> "Report":
    processes = [start(framework, device) for framework in ("torch", "keras")]  # before all that is slow to import
    from parity.runners.recording import Shelf
    from parity.runners.remote import RemoteRunner

    from .forward import compare_sides
    from .given import inputs_given

    x = inputs_given(target, options.batch_size, options.seed)
    options = replace(options, batch_size=x.batch)
    torch, keras = (RemoteRunner(process, Shelf(shelf)) for process in processes)
    for side in (torch, keras) if options.copy.texts else ():
        side.lay_over(dict(options.copy.texts))
    return compare_sides(target.name, x, torch, keras, options, progress)


def _compare_devices(
    target: Target, options: Options, progress: Progress, start: Start, devices: tuple[str, ...], shelf: int
) -> "Report":
    from parity.runners.recording import Shelf
    from parity.runners.remote import RemoteRunner

    from .devices import matrix, require
    from .given import inputs_given

    @contextmanager
    def open_side(framework: str, device: str) -> Iterator["Runner"]:
        process = start(framework, device)
        yield RemoteRunner(process, Shelf(shelf))
        process.end()

    require(devices, open_side)
    cells = matrix(inputs_given(target, options.batch_size, options.seed), devices, options, open_side)
    return replace(_compare(target, options, progress, start, devices[0], shelf), devices=cells)
