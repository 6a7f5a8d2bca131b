"""The results of a run: every system by itself, and beside the first; as text, as Markdown, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .comparison import Comparison
from .evaluation import Evaluation
from .identification import OpenSet
from .interval import Interval
from .metrics import ErrorRates, OperatingPoint
from .tables import markdown, plain

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], str]


@dataclass(frozen=True)
class Results:
    """What a run found out.

    Attributes:
        evaluations: One for each system, in the order in which they were named.
        comparisons: Every system but the first, beside the first.
    """

    evaluations: tuple[Evaluation, ...]
    comparisons: tuple[Comparison, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "evaluations": [evaluation.to_dict() for evaluation in self.evaluations],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
        }

    def to_text(self, *, as_markdown: bool = False) -> str:
        """A report for people: in full for one system, in tables for several."""
        table = markdown if as_markdown else plain
        first = self.evaluations[0]
        people = "" if first.people is None else f" of {first.people:,} people"
        parts = [f"{first.protocol}: {first.photos:,} photos{people}"]
        if len(self.evaluations) == 1:
            parts += _details(first, table)
        else:
            parts += _overview(self.evaluations, table)
            if self.comparisons:
                parts += _beside(self.comparisons, table)
        return "\n\n".join(part for part in parts if part)


def _details(evaluation: Evaluation, table: Table) -> list[str]:
    system = evaluation.system
    lines = [
        f"system    {system.label}",
        f"model     {system.file}, sha256 {system.file_sha256[:16]}..., {system.model.model_id}",
        f"enrolled  {evaluation.photos - len(evaluation.failures):,} of {evaluation.photos:,} photos in "
        f"{evaluation.seconds:.1f} s, {evaluation.computed:,} of them computed in this run",
    ]
    if evaluation.failures:
        named = ", ".join(failure.photo.path for failure in evaluation.failures[:3])
        more = ", ..." if len(evaluation.failures) > 3 else ""
        # Only a list of pairs, or templates, says how many of its own comparisons they are in.
        listed = "" if evaluation.pairs is None else f" ({evaluation.failed_pairs:,} pairs)"
        lines.append(f"failed    {len(evaluation.failures):,} photos{listed}: {named}{more}")
    parts = ["\n".join(lines)]
    if evaluation.accuracy is not None:
        folds = evaluation.accuracy
        pairs = sum(fold.total for fold in folds.folds)
        parts.append(
            f"Accuracy over {pairs:,} pairs in {len(folds.folds)} folds: {_percent(folds.accuracy)} % ± "
            f"{_percent(folds.std)} (standard error {_percent(folds.standard_error)}; 95 %: "
            f"{_span(evaluation.accuracy_interval)})"
        )
    for name, rates in (("The protocol's pairs", evaluation.pairs), ("All pairs", evaluation.all_pairs)):
        if rates is not None:
            parts.append(_rates(name, rates, table))
    if evaluation.identification is not None:
        text = evaluation.identification.to_text()
        parts.append(text if table is plain else f"```\n{text}\n```")
    return parts


def _rates(name: str, rates: ErrorRates, table: Table) -> str:
    people = "" if rates.people is None else f", {rates.people:,} people"
    head = (
        f"{name}: {rates.genuine:,} genuine, {rates.impostor:,} impostor{people}: EER "
        f"{_percent(rates.equal_error_rate)} % (95 %: {_span(rates.equal_error_rate_interval)}), AUC {rates.auc:.5f}"
    )
    if not rates.points:
        return f"{head}\nToo few impostor comparisons to state an error at any false-match rate (rule of three)."
    rows = [
        (
            f"{point.fmr:g}",
            f"{point.threshold:.4f}",
            _span(point.threshold_interval, 1, 4),
            f"{point.false_matches.count:,}",
            f"{point.fmr_interval.low:.3g} to {point.fmr_interval.high:.3g}",
            _percent(point.true_matches.value),
            _span(point.tar_interval),
        )
        for point in rates.points
    ]
    heads = ("FMR", "threshold", "95 %", "false matches", "FMR, 95 %", "TAR, %", "95 %")
    return f"{head}\n\n{table(heads, rows)}\n\n95 %: {rates.points[0].fmr_interval.method}."


def _overview(evaluations: Sequence[Evaluation], table: Table) -> list[str]:
    first = evaluations[0]
    rates = [evaluation.steadiest for evaluation in evaluations]
    heads, rows = ["system"], [[evaluation.system.label] for evaluation in evaluations]

    def column(head: str, cells: Sequence[str]) -> None:
        heads.append(head)
        for row, cell in zip(rows, cells):
            row.append(cell)

    column("not enrolled", [f"{len(evaluation.failures)}" for evaluation in evaluations])
    if first.accuracy is not None:
        folds = [evaluation.accuracy for evaluation in evaluations]
        column("accuracy, %", [f"{_percent(fold.accuracy)} ± {_percent(fold.std)}" for fold in folds if fold])
        column("95 %", [_span(evaluation.accuracy_interval) for evaluation in evaluations])
    listed = [evaluation.pairs or evaluation.all_pairs for evaluation in evaluations]
    if listed[0] is not None:
        column("EER, %", [_percent(item.equal_error_rate) for item in listed if item is not None])
    if first.steadiest is not None:
        for point in first.steadiest.points:
            column(f"TAR at FMR {point.fmr:g}, %", [_tar(rate, point) for rate in rates])
    if first.identification is not None:
        found = [item.identification for item in evaluations if item.identification is not None]
        for rank in (1, 5):
            if rank <= len(first.identification.closed.cmc):
                column(f"rank {rank}, %", [_percent(item.closed.at(rank).rate.mean) for item in found])
        opened = [item.open for item in found if item.open is not None]
        for index, wanted in enumerate(opened[0].points if opened else ()):
            column(f"FNIR at FPIR {wanted.fpir:g}, %", [_fnir(item, index) for item in opened])
    return [table(heads, rows), " ".join(_counted(evaluations))]


def _counted(evaluations: Sequence[Evaluation]) -> list[str]:
    """What the figures of an overview are counted on."""
    first, notes = evaluations[0], []
    if first.accuracy is not None:
        pairs = sum(fold.total for fold in first.accuracy.folds)
        notes.append(
            f"Accuracy is counted over {pairs:,} pairs in {len(first.accuracy.folds)} folds, ± is the standard "
            "deviation over the folds."
        )
    if first.pairs is not None and first.all_pairs is not None:
        notes.append(f"EER is counted over the protocol's pairs: {_comparisons([first.pairs])}.")
        notes.append(f"TAR is counted over all pairs: {_comparisons([item.all_pairs for item in evaluations])}.")
    elif first.steadiest is not None:
        which = "the protocol's pairs" if first.all_pairs is None else "all pairs"
        notes.append(f"EER and TAR are counted over {which}: {_comparisons([item.steadiest for item in evaluations])}.")
    if first.identification is not None:
        found = first.identification
        notes.append(
            f"Mean of {found.repeats} random split{'s' if found.repeats != 1 else ''}, seed {found.seed}. Ranks: "
            f"{found.closed.people:,} people in the gallery, {found.closed.searches:,} searches."
        )
        if found.open is None:
            notes.append(f"Open set: omitted, {found.open_omitted}.")
        else:
            notes.append(
                f"FNIR, at rank {found.open.rank}: {found.open.enrolled:,} people in the gallery, "
                f"{found.open.strangers:,} not; on average {found.open.mated.mean:,.0f} mated and "
                f"{found.open.non_mated.mean:,.0f} non-mated searches."
            )
    return notes


def _comparisons(rates: Sequence[ErrorRates | None]) -> str:
    """How many there are: fewer impostor comparisons where a system could not enrol a photo."""
    found = [item for item in rates if item is not None]
    impostor = sorted({item.impostor for item in found})
    span = f"{impostor[0]:,}" if len(impostor) == 1 else f"{impostor[0]:,} to {impostor[-1]:,}"
    return f"{found[0].genuine:,} genuine, {span} impostor comparisons"


def _beside(comparisons: Sequence[Comparison], table: Table) -> list[str]:
    heads, rows = ["system"], [[comparison.system.label] for comparison in comparisons]
    first = comparisons[0]
    if first.mcnemar is not None:
        heads += ["accuracy, points", "95 %", "right: only the first, only this", "p"]
        for row, comparison in zip(rows, comparisons):
            if comparison.mcnemar is not None and comparison.accuracy_difference is not None:
                test = comparison.mcnemar
                row += [
                    f"{100 * comparison.accuracy_difference:+.2f}",
                    _span(comparison.accuracy_interval, sign="+"),
                    f"{test.only_first}, {test.only_second}",
                    f"{test.p_value:.3f}" if test.p_value >= 1e-3 else f"{test.p_value:.1e}",
                ]
    for index, difference in enumerate(first.tar_differences):
        heads += [f"TAR at {difference.fmr:g}, points", "95 %"]
        for row, comparison in zip(rows, comparisons):
            found = comparison.tar_differences[index]
            row += [f"{100 * found.difference:+.2f}", _span(found.interval, sign="+")]
    about_p = "" if first.mcnemar is None else "p: McNemar's exact test. "
    return [
        f"Beside {first.baseline.label}:",
        table(heads, rows),
        f"{about_p}A difference whose interval holds 0 may be chance.",
    ]


def _tar(rates: ErrorRates | None, wanted: OperatingPoint) -> str:
    found = [] if rates is None else [point for point in rates.points if point.fmr == wanted.fmr]
    return _percent(found[0].true_matches.value) if found else "-"


def _fnir(opened: OpenSet, index: int) -> str:
    return _percent(opened.points[index].fnir.mean) if index < len(opened.points) else "-"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _span(interval: Interval | None, factor: float = 100, digits: int = 2, sign: str = "") -> str:
    if interval is None:
        return "-"
    return f"{factor * interval.low:{sign}.{digits}f} to {factor * interval.high:{sign}.{digits}f}"
