"""Single-layer pairs, equal and with planted faults: is any called different, is any fault overlooked or unnamed?

`python -m benchmarks.layers [REGEX]` checks the pairs of `benchmarks/single/` whose names fit, each as it should be and
once with each of its faults, and writes benchmarks/results/layers.json where it checks them all.
"""

import json
import os
import re
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CHUNK = 24  # pairs in one process: TensorFlow keeps what it has compiled for each
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def main(argv: list[str]) -> int:
    """Check, save the figures, and return 1 if anything was answered otherwise than it should be."""
    if argv[:1] == ["--rows"]:
        return _rows(argv[1:])
    command = [sys.executable, "-c", "from benchmarks.single import ROWS\nfor row in ROWS: print(row.name)"]
    listed = subprocess.run(command, env=_settings(), capture_output=True, text=True, check=True).stdout.splitlines()
    names = [name for name in listed if re.search(argv[0] if argv else "", name)]
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 2) // 2)) as pool:
        chunks = [names[i : i + CHUNK] for i in range(0, len(names), CHUNK)]
        answers = [answer for part in pool.map(_run_chunk, chunks) for answer in part]
    wrong = [answer for answer in answers if not answer["right"]]
    for answer in wrong:
        print(f"{answer['pair']} [{answer['fault'] or 'equal'}]: {answer['told']}")
    print(f"{len(names)} pairs, {len(answers)} checks, {len(answers) - len(wrong)} right")
    if not argv:
        _save(len(names), answers)
    return 1 if wrong else 0


def _settings() -> dict[str, str]:
    return os.environ | dict.fromkeys(THREADS, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def _run_chunk(names: list[str]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.layers", "--rows", *names]
    done = subprocess.run(command, env=_settings(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    lines = [line for line in done.stdout.decode().splitlines() if line.startswith('{"pair"')]
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    asked = {answer["pair"] for answer in found}
    died = {"fault": "", "right": False, "told": f"the process ended with {done.returncode}"}
    return found + [{"pair": name} | died for name in names if name not in asked]


def _rows(names: list[str]) -> int:
    """Print what each check of these pairs answers, a line of JSON each."""
    from .single import ROWS

    for row in ROWS:
        if row.name in names:
            for fault in ("", *row.faults):
                right, told = answer(row, fault)
                print(json.dumps({"pair": row.name, "fault": fault, "right": right, "told": told}), flush=True)
    return 0


def answer(row: Any, fault: str) -> tuple[bool, str]:
    """Whether one check says what is true, and what it says."""
    import parity
    from parity.errors import ParityError

    from .single.rows import shaken

    side, maker, cause = row.faults.get(fault, ("", None, ""))
    try:
        models = [maker if side == name else getattr(row, name) for name in ("torch", "keras")]
        torch_model, keras_model, x = models[0](), models[1](), row.x()
        _made(torch_model, x)
        report = parity.check(shaken(torch_model).eval(), keras_model, x, weights="copy", gradients=row.gradients)
    except ParityError as error:
        crashed = "check itself failed" in str(error)
        return bool(row.refusal and not crashed and re.search(row.refusal, str(error))), f"refused: {error}"
    except Exception:  # noqa: BLE001 - the others are checked all the same
        return False, f"broken: {traceback.format_exc(limit=-2)}"
    causes = "; ".join(f"{each.name} at {each.path}: {each.evidence}" for each in report.causes)
    if not fault:
        return report.ok and not row.refusal, "match" if report.ok else f"mismatch: {report.first}; {causes}"
    named = not cause or bool(re.search(cause, causes, re.IGNORECASE))
    static = "; ".join(f"{s.path}.{s.field}" for s in report.static)
    return not report.ok and named, f"{'match' if report.ok else 'mismatch'}: {report.first}; {causes}; {static}"


def _made(model: Any, x: Any) -> None:
    """Lazy layers know their sizes behind a first call."""
    import torch

    if any(isinstance(each, torch.nn.modules.lazy.LazyModuleMixin) for each in model.modules()):
        model.eval()(torch.from_numpy(x))


def _save(count: int, answers: list[dict[str, Any]]) -> None:
    from .measure import save

    equal, faults = ([a for a in answers if bool(a["fault"]) == planted] for planted in (False, True))
    figures: dict[str, Any] = {"pairs": count}
    for name, rows in (("equal", equal), ("faults", faults)):
        wrong = [{field: row[field] for field in ("pair", "fault", "told")} for row in rows if not row["right"]]
        figures[name] = {"checked": len(rows), "right": len(rows) - len(wrong), "otherwise": wrong}
    save("layers", figures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
