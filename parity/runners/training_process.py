"""The half of a framework's process that stays here: asks, and gets answers in order.

What a step has made comes through a file that both have, each array copied once; all else through a pipe.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from typing import Any, NoReturn

from parity.errors import WorkerError

from .messages import receive, send
from .recording import Shelf

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "ABSL_MIN_LOG_LEVEL": "3"}

# Two frameworks share the cores and the memory: a waiting OpenMP thread must not spin, and an array of a megabyte or
# more is given back to the system when it is freed.
SHARED_MACHINE = {"OMP_WAIT_POLICY": "PASSIVE", "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}


class TrainingProcess:
    """One framework, in a process of its own, whose output is shown only if it dies."""

    def __init__(self, framework: str) -> None:
        self.framework = framework
        ours, theirs = Pipe()
        self.shelf = Shelf()
        shared = theirs.fileno(), self.shelf.descriptor
        self._log = tempfile.TemporaryFile(prefix="parity-log-")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "parity.runners.training_worker", *map(str, shared), framework],
            pass_fds=shared,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=os.environ | QUIET | SHARED_MACHINE,
        )
        theirs.close()
        self._connection = ours

    def ask(self, method: str, *args: Any) -> None:
        """Send a request without waiting; `answer` collects what it answers."""
        try:
            send(self._connection, (method, args))
        except (BrokenPipeError, ConnectionResetError):
            self._died()

    def answer(self) -> Any:
        """The next answer. Raises what the other process raised."""
        try:
            tag, value = receive(self._connection)
        except (EOFError, ConnectionResetError):
            self._died()
        if tag == "error":
            raise value
        return value

    def call(self, method: str, *args: Any) -> Any:
        self.ask(method, *args)
        return self.answer()

    def _died(self) -> NoReturn:
        code = self._process.wait()
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        last = f"; its last words: {lines[-1]}" if lines else ""
        raise WorkerError(
            f"the {self.framework} process must run to the end, and stopped with exit code {code}{last}; "
            f"try `python -c 'import {self.framework}'` in this environment"
        ) from None

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        try:
            self._process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()  # a framework's tidy shutdown takes seconds and nothing depends on it
            self._process.wait()
        self._log.close()


@contextmanager
def both_frameworks() -> Iterator[tuple[TrainingProcess, TrainingProcess]]:
    """torch's process and Keras's, each of which trains any number of models, one after another."""
    processes = TrainingProcess("torch"), TrainingProcess("keras")
    try:
        yield processes
    finally:
        for process in processes:
            process.close()
