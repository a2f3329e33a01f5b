"""What of the machine and its settings decides the digits: the processor, its instructions, oneDNN, the threads."""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ONEDNN = {"on": "1", "off": "0"}  # TF_ENABLE_ONEDNN_OPTS; "as-is" leaves the user's own

# By what kernels choose between: the first that the processor has.
INSTRUCTIONS = {
    "avx512_vnni": "AVX512-VNNI",
    "avx512f": "AVX512",
    "avx_vnni": "AVX2-VNNI",
    "avx2": "AVX2",
    "avx": "AVX",
    "sve": "SVE",
    "asimd": "NEON",
}


@cache
def processor() -> dict[str, str]:
    """{"processor", "instructions"}: its name, and its widest set of vector instructions that kernels ask for."""
    name, flags = _linux() if sys.platform == "linux" else _mac() if sys.platform == "darwin" else ("", set())
    widest = next((title for flag, title in INSTRUCTIONS.items() if flag in flags), platform.machine())
    return {"processor": name or platform.processor() or platform.machine(), "instructions": widest}


def _linux() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "", set()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return found.get("model name", ""), set(found.get("flags", found.get("Features", "")).split())


def _mac() -> tuple[str, set[str]]:
    try:
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        name = ""
    return name, {"asimd"} if platform.machine() == "arm64" else {"avx2"}


def usable_cores() -> int:
    """How many cores this process may use: what a framework takes that is not told a number of threads."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def torch_settings(torch: Any) -> dict[str, Any]:
    """The version of the package `torch` and the settings of its CPU kernels."""
    onednn = torch.backends.mkldnn
    return {
        "torch": str(torch.__version__),  # a plain string: the class of this one lives in torch
        "threads": torch.get_num_threads(),
        "onednn": bool(onednn.is_available() and onednn.enabled),
    }
