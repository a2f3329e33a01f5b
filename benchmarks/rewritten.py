"""Random pairs that compute the same and are written differently: is any called different, is any fault overlooked?

`python -m benchmarks.rewritten [COUNT]` builds COUNT random networks (500 if not given) in torch and in Keras, each
element written in one of its ways on either side, and checks them; then each once more with a fault in Keras's, which
must be found, in the region that holds it.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

COUNT = 500
CHUNK = 10  # networks in one process: TensorFlow keeps what it has compiled for each
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
FIELDS = ("alarms", "refused", "missed", "elsewhere", "found", "idle")


def main(argv: list[str]) -> int:
    """Check, save the figures, and return 1 if any right pair was not called equal or a fault was overlooked."""
    if argv[:1] == ["--chunk"]:
        return _chunk(*map(int, argv[1:]))
    count = int(argv[0]) if argv else COUNT
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(lambda start: _run_chunk(start, min(count, start + CHUNK)), range(0, count, CHUNK)))
    found = {name: [item for part in parts for item in part[name]] for name in FIELDS}
    _save(count, found)
    return 1 if found["alarms"] or found["refused"] or found["missed"] else 0


def _run_chunk(start: int, stop: int) -> dict[str, list[Any]]:
    """The networks of some seeds, in a process of their own, on one thread: they are small."""
    command = [sys.executable, "-m", "benchmarks.rewritten", "--chunk", str(start), str(stop)]
    settings = os.environ | dict.fromkeys(THREADS, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    found: dict[str, list[Any]] = json.loads(done.stdout.splitlines()[-1])
    print(f"pairs {start} to {stop - 1}: { ({name: len(items) for name, items in found.items()}) }", flush=True)
    return found


def _chunk(start: int, stop: int) -> int:
    """Print what these networks give, as JSON."""
    found: dict[str, list[str]] = {name: [] for name in FIELDS}
    for seed in range(start, stop):
        for name, what in judge(seed):
            found[name].append(f"seed {seed}: {what}")
    print(json.dumps(found))
    return 0


def judge(seed: int) -> list[tuple[str, str]]:
    """What becomes of a pair and of its fault: fields of the figures, each with what to say of it."""
    from parity.errors import ParityError

    from .rewrites.pairs import check, network
    from .rewrites.verdicts import planted

    net = network(seed)
    found = []
    try:
        report = check(net)
        found += [] if report.ok else [("alarms", f"{report.first} of {net}")]
    except ParityError as error:
        found.append(("refused", f"{error} of {net}"))
    fault = planted(net)
    return found if fault is None else [*found, (_of_fault(net, fault), f"{fault.what} in e{fault.place} of {net}")]


def _of_fault(net: Any, fault: Any) -> str:
    """The field that a planted fault belongs to."""
    from parity.errors import ParityError

    from .rewrites.pairs import check
    from .rewrites.verdicts import has_effect, names_the_place

    try:
        report = check(net, fault)
    except ParityError:
        return "refused"
    if report.ok:
        return "missed" if has_effect(net, fault) else "idle"
    return "found" if names_the_place(report, net, fault) else "elsewhere"


def _save(count: int, found: dict[str, list[Any]]) -> None:
    from .measure import save

    figures: dict[str, Any] = {"pairs": count, "false_alarms": found["alarms"], "refused": found["refused"]}
    faults = {"planted": sum(len(found[name]) for name in ("missed", "elsewhere", "found", "idle"))}
    faults |= {"found_in_their_region": len(found["found"]), "without_effect": len(found["idle"])}
    figures["faults"] = faults | {"found_elsewhere": found["elsewhere"], "overlooked": found["missed"]}
    save("rewritten", figures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
