"""What a run of ``bench latency`` says, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .run_file import Row, Run
from .samples import BUSY, DRIFTING, NOISY

FLAGS = {
    "quick": "fewer samples than a full run, which takes a minute per row",
    "noisy": f"rounds differ by more than {NOISY:.0%} of the median: another run may give another p50",
    "noisy-ratio": f"the interval of the ratio is wider than {NOISY:.0%} of it: another run may give another ratio",
    "drifting": f"the second half of the run differs from the first by more than {DRIFTING:.0%}",
    "busy": f"from more than {BUSY:.0%} of the calls the system took a CPU away for other programs; see p50 alone",
    "warming": "it still got faster when the warm-up was given up",
    "throttled": "the device slowed down while it ran",
    "emulated": "this is no real device, and these milliseconds are of none",
    "incomplete": "interrupted",
}
"""What the flags mean."""


def latency_text(run: Run, table: Callable[..., str]) -> str:
    """The run as tables, with what it ran on and what to know about it; ``table`` draws a header and rows."""
    settings = run.settings
    before, after = run.conditions
    libraries = ", ".join(f"{name} {version}" for name, version in run.device.versions.items() if version)
    lines = [
        f"{run.created}, {run.device.describe()}",
        f"{libraries}",
        f"CPU features: {' '.join(run.device.features) or 'unknown'}; CPUs used: {_numbers(settings['cpus'])}",
        f"before: {before.describe()}; after: {after.describe()}",
        f"input: {settings['input']}; the network alone, one picture at a time; subjects took turns",
    ]
    if any(row.figures["random_weights"] for row in run.rows):
        lines.append("weights: random, of the trained network's shapes (int8 ranges from drawn faces); for cost alone")
    lines += [
        "",
        "Steady state, milliseconds: all calls; p50 with its 95 % interval",
        table(_STEADY, [_steady(row) for row in run.rows]),
        "",
        "Compared: calls that other programs did not disturb, milliseconds; CPU time of all threads; the ratio to the "
        "first row, from rounds in which both ran",
        table(_COMPARED, [_compared(row) for row in run.rows]),
        "",
        f"Cold start in a new process, the file cached, milliseconds, and memory of a process with this model alone, "
        f"MiB: median of {settings['cold_starts']} (least to most)",
        table(_COLD, [_cold(row) for row in run.rows]),
    ]
    seen = dict.fromkeys(flag for row in run.rows for flag in _flags(row))
    lines += [""] if seen or settings["skipped"] else []
    lines += [f"{flag}: {FLAGS.get(flag, 'see the documentation')}" for flag in seen]
    lines += [f"throttled by: {reason}" for reason in settings["throttled"]]
    lines += [f"left out: {reason}" for reason in settings["skipped"]]
    return "\n".join(lines)


_SUBJECT = ("model", "precision", "runtime", "threads")
_STEADY = (*_SUBJECT, "samples", "p50", "95 %", "p90", "p99", "mean", "std", "min", "drift", "flags")
_COMPARED = (*_SUBJECT, "disturbed", "p50 alone", "CPU time", "ratio", "95 %", "rounds")
_COLD = (*_SUBJECT, "import", "load", "first", "memory, imports", "steady", "peak", "file KB")


def _steady(row: Row) -> tuple[object, ...]:
    summary = row.summary
    assert summary is not None  # noqa: S101 - a row of this kind has one
    times = (summary.p90, summary.p99, summary.mean, summary.std, summary.min)
    return (
        *_subject(row),
        summary.count,
        f"{summary.p50:.3f}",
        f"{summary.p50_low:.3f} to {summary.p50_high:.3f}",
        *(f"{value:.3f}" for value in times),
        f"{summary.drift:.3f}",
        " ".join(_flags(row)),
    )


def _compared(row: Row) -> tuple[object, ...]:
    figures = row.figures
    ratio = figures["ratio_to_first"]
    return (
        *_subject(row),
        f"{figures['disturbed_share']:.0%}",
        *("" if figures[name] is None else f"{figures[name]:.3f}" for name in ("undisturbed_p50", "cpu_ms")),
        "1" if ratio is None else f"{ratio['value']:.3f}",
        "" if ratio is None else f"{ratio['low']:.3f} to {ratio['high']:.3f}",
        "" if ratio is None else ratio["rounds"],
    )


def _cold(row: Row) -> tuple[object, ...]:
    start = row.figures["cold_start"]
    times = (_spread(start, name, 1) for name in ("import_ms", "load_ms", "first_ms"))
    sizes = (_spread(start, name, 1) for name in ("imported_mib", "steady_mib", "peak_mib"))
    return (*_subject(row), *times, *sizes, f"{row.figures['file_bytes'] / 1000:.0f}")


def _spread(start: Mapping[str, Any], name: str, digits: int) -> str:
    if name not in start:
        return "unknown"
    spread = start[name]
    return f"{spread['p50']:.{digits}f} ({spread['min']:.{digits}f} to {spread['max']:.{digits}f})"


def _subject(row: Row) -> tuple[object, ...]:
    return (row.figures["file"] or row.subject.name, row.subject.precision, row.subject.runtime, row.subject.threads)


def _flags(row: Row) -> tuple[str, ...]:
    """Those of the times, and of the ratio."""
    ratio = row.figures["ratio_to_first"]
    return (*(row.summary.flags if row.summary else ()), *(("noisy-ratio",) if ratio and ratio["noisy"] else ()))


def _numbers(cpus: list[int]) -> str:
    return ", ".join(map(str, cpus)) or "unknown"
