"""A TrainingReport on a terminal, through rich; `text` gives the same as a string."""

import io
from typing import Any

from parity.models.environment import notes, where
from parity.models.keys import STATISTICS
from parity.verdict.training import Fault, Number, Run, TrainingReport


def print_report(report: TrainingReport, console: Any, quiet: bool = False) -> None:
    """The table of what was matched, one table of curves a run, and the verdict; with `quiet` the verdict alone."""
    if not quiet:
        console.print(_matched(report))
        for run in report.runs:
            console.print(_run(run))
        lines = [f"note: {note}" for note in notes(report.environment)] + [*where(report.environment)]
        for line in lines:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in verdict(report):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def text(report: TrainingReport) -> str:
    """The report as plain text."""
    from rich.console import Console

    buffer = io.StringIO()
    print_report(report, Console(file=buffer, width=160))
    return buffer.getvalue()


def _table(*columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _matched(report: TrainingReport) -> Any:
    table = _table("rule", "torch", "Keras", "matched by", "why")
    for match in report.matched:
        table.add_row(match.rule, match.torch, match.keras, match.how, match.why)
    return table


def _run(run: Run) -> Any:
    """Rows: kinds of number; columns: up to five steps, in a band each distance as a share of what is allowed."""
    shown = _some([step.number for step in run.steps])
    table = _table(
        f"{run.dtype}{' (of allowed)' if run.band else ''}", *(f"step {number}" for number in shown), "worst tensor"
    )
    steps = [step for step in run.steps if step.number in shown]
    for what in steps[-1].numbers:
        cells = []
        for step in steps:
            number = step.numbers[what]
            cells.append(f"{run.judged(number):.1e}{_share(run, number)}")
        table.add_row(what, *cells, steps[-1].numbers[what].path)
    return table


def _share(run: Run, number: Number) -> str:
    return "" if run.band is None else f" ({number.distance / number.allowed:.2f})"


def _some(numbers: list[int]) -> list[int]:
    wanted = {0, len(numbers) // 4, len(numbers) // 2, 3 * len(numbers) // 4, len(numbers) - 1}
    return [number for i, number in enumerate(numbers) if i in wanted]


def verdict(report: TrainingReport) -> list[str]:
    """The last lines: what was found, where, and why."""
    fault = report.fault
    known = [f"known: {m.rule}: {m.keras}; {m.why}" for m in report.matched if m.how == "corrected"]
    if fault is None:
        return [
            *known,
            f"MATCH: {report.target} trains alike in PyTorch and Keras; {'; '.join(map(_summary, report.runs))}",
        ]
    where = f"step {fault.step}, {_number(fault)}"
    lines = [*known, f"first difference: {where}, {fault.error:.1e} in {fault.dtype} (allowed {fault.allowed:.1e})"]
    if report.cause is not None:
        at = f" at {report.cause.path}" if report.cause.path else ""
        lines.append(f"cause: {report.cause.name}{at}: {report.cause.evidence}")
    return [*lines, f"MISMATCH: {report.target} does not train alike: {where}"]


def _number(fault: Fault) -> str:
    """What differs, in words: a tensor of the model is its path, the gradient or state that belongs to it says so."""
    if not fault.path:
        return f"the {fault.what}"
    return fault.path if fault.what in ("weight", *STATISTICS) else f"the {fault.what} of {fault.path}"


def _summary(run: Run) -> str:
    what, step, number = run.worst()
    if run.band is None:
        return (
            f"in {run.dtype} every number of {len(run.steps)} steps agrees within {number.error:.1e} of its scale "
            f"(allowed {number.allowed:.0e})"
        )
    share = run.judged(number) / number.allowed
    magnified = "training magnifies rounding past the line; " if run.dtype == "float64" else ""
    return (
        f"{magnified}in {run.dtype} the distance stays within {share:.2f} of what rounding allows "
        f"({what}, step {step.number}; "
        f"{run.band.runs} runs nudged by one unit in the last place, factor {run.band.factor:.1f})"
    )
