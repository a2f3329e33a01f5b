"""Start a side's process. Nothing slow is imported here: the import of a framework begins before ours."""

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
import threading
from multiprocessing import Pipe

from parity.frameworks.alive import latest
from parity.frameworks.machine import ONEDNN

# Nothing is printed, and two frameworks share the cores: a waiting OpenMP thread must not spin.
SHARED = {"TF_CPP_MIN_LOG_LEVEL": "3", "ABSL_MIN_LOG_LEVEL": "3", "OMP_WAIT_POLICY": "PASSIVE"}

# In a check both take and free arrays of some megabytes a thousand times: memory that goes back to the system each time
# is zeroed again each time, a third of a check's time.
CHECK = SHARED | {
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

# In training an array of a megabyte or more is given back to the system when it is freed.
TRAINING = SHARED | {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}


def give_back_memory() -> None:
    """Return to the system what was freed: this process waits while the other one computes. Only glibc can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class SideProcess:
    """`python -m parity.runners.worker` for one framework's model, and the connection to it.

    What the framework prints while it starts goes to a file, whose last line is told if the process dies. shelf: the
    descriptor of the file that it records in, see recording.py. theirs: of the one that it reads the other side's
    recording from, if that is another. environment: `CHECK` or `TRAINING`. onednn: "on", "off" or "as-is", the last as
    the user's own process has it.
    """

    def __init__(
        self,
        framework: str,
        spec: str,
        shelf: int,
        device: str = "cpu",
        theirs: int | None = None,
        environment: dict[str, str] = CHECK,
        onednn: str = "as-is",
    ) -> None:
        asked = {} if onednn == "as-is" else {"TF_ENABLE_ONEDNN_OPTS": ONEDNN[onednn]}
        self.framework = framework
        self.connection, end = Pipe()
        self._log = tempfile.TemporaryFile(prefix="parity-log-")  # noqa: SIM115
        shared = end.fileno(), shelf, shelf if theirs is None else theirs
        self._process = subprocess.Popen(
            [sys.executable, "-m", "parity.runners.worker", *map(str, shared), framework, spec, device],
            pass_fds=shared,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=os.environ | environment | asked,
        )
        end.close()

    def last_words(self) -> tuple[int, str, str]:
        """The exit code of a process that ends by itself, the step that ran then, and the last line it printed."""
        code = self._process.wait()
        self._log.seek(0)
        step, lines = latest(self._log.read())
        return code, step, lines[-1] if lines else ""

    def end(self) -> None:
        """End it now. To free its memory takes the system half a second more, for which nobody waits."""
        self._process.kill()
        self.connection.close()
        self._log.close()
        threading.Thread(target=self._process.wait, daemon=True).start()
