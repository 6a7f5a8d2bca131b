"""The report of an evaluation: one HTML page with all that a reader needs to judge its figures.

The page holds its style and its drawings, no script and no photo, and loads nothing; names of files and people in it
are text, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from xml.etree import ElementTree

from ghostface_edge.doctor import look_at_machine, versions

from . import curves, definitions, page
from .comparison import Comparison
from .evaluation import Evaluation
from .identification import FPIRS, Identification, Spread
from .interval import Interval
from .metrics import FMRS, ErrorRates, OperatingPoint
from .page import Cell
from .results import Results

# Colours of the pictures that follow the page from light to dark.
_FOLLOW = {curves.INK: "var(--ink)", curves.FAINT: "var(--faint)", curves.GRID: "var(--grid)", "#ffffff": "var(--page)"}
_FOLLOW[curves.SHADE] = "var(--shade)"


def to_html(
    results: Results,
    *,
    command: str,
    title: str | None = None,
    date: datetime | None = None,
    software: Mapping[str, str | None] | None = None,
    device: str | None = None,
) -> str:
    """The report as one HTML page that needs nothing else.

    Args:
        results: Systems on one protocol and data set, and the comparisons among them.
        command: What was run, for readers who want to run it again.
        title: Of the page; by default the protocol and the data set.
        date: When; by default now.
        software: Versions by name, None for what is not installed; by default those of this process.
        device: What it ran on; by default this machine.

    Raises:
        EvaluationError: No system, or several data sets.
        RuntimeMissingError: matplotlib is not installed.
    """
    curves.check_one_data_set(results.evaluations)
    first = results.evaluations[0]
    headline = title or f"{first.protocol}, {first.dataset}"
    date = (date or datetime.now(timezone.utc)).astimezone(timezone.utc)
    sections = [
        ("results", "Results", _overview(results.evaluations)),
        ("differences", "Differences between systems", _differences(results.comparisons)),
        ("data", "Data and protocol", _data(first)),
        ("curves", "Curves", _curves(results.evaluations)),
        ("rates", "Thresholds and error rates", "".join(map(_rates, results.evaluations))),
        ("folds", "Accuracy by fold", _folds(results.evaluations)),
        ("identification", "Identification", "".join(map(_identification, results.evaluations))),
        ("failures", "Failures to enrol", "".join(map(_failures, results.evaluations))),
        ("worst", "Worst errors", "".join(map(_worst, results.evaluations))),
        ("systems", "Systems", "".join(map(_system, results.evaluations))),
        ("definitions", "Definitions", _definitions(results)),
        ("intervals", "How the 95 % intervals were made", _intervals(results)),
        ("caveats", "What the figures do not say", _caveats(first)),
        ("making", "How this report was made", _making(command, date, software, device)),
    ]
    return page.to_html(headline, lead=_lead(results), sections=sections)


def _lead(results: Results) -> str:
    first, count = results.evaluations[0], len(results.evaluations)
    people = "" if first.people is None else f" of {first.people:,} people"
    systems = "One face recognition system" if count == 1 else f"{count} face recognition systems"
    return f"{systems} on {first.photos:,} photos{people}. Every figure stands beside what it was counted on."


def _overview(evaluations: Sequence[Evaluation]) -> str:
    first = evaluations[0]
    heads = ["not enrolled"]
    columns: list[list[Cell]] = [[f"{len(item.failures):,} of {item.photos:,}" for item in evaluations]]
    notes = ["Below a figure stands its 95 % interval."]
    if any(item.accuracy for item in evaluations):
        heads += ["accuracy ± std, %", "standard error, %"]
        folds = [item.accuracy for item in evaluations]
        intervals = [_span(item.accuracy_interval) for item in evaluations]
        columns.append(
            [
                (f"{_percent(fold.accuracy)} ± {_percent(fold.std)}", interval) if fold else "–"
                for fold, interval in zip(folds, intervals)
            ]
        )
        columns.append([_percent(fold.standard_error) if fold else "–" for fold in folds])
        notes.append("Accuracy: mean over the folds ± their standard deviation.")
    rates = [item.steadiest for item in evaluations]
    if any(rates):
        heads += ["EER, %", "AUC"]
        columns.append([_eer(rate) if rate else "–" for rate in rates])
        columns.append([_auc(rate) if rate else "–" for rate in rates])
        which = "the protocol's pairs" if first.all_pairs is None else "all comparisons among the photos"
        notes.append(f"EER, AUC and TAR are counted on {which}.")
        shared = _shared_fmr([rate for rate in rates if rate])
        if shared is not None:
            heads.append(f"TAR at FMR {_power(shared)}, %")
            points = [_point(rate, shared) if rate else None for rate in rates]
            columns.append([_tar(point) if point else "–" for point in points])
    found = [item.identification for item in evaluations]
    if any(found):
        heads.append("rank 1, %")
        ranks = [item.closed.cmc[0] if item else None for item in found]
        columns.append([(_percent(rank.rate.mean), _span(rank.interval)) if rank else "–" for rank in ranks])
        notes.append("Rank 1: searches whose most similar face in the gallery is the right one.")
    rows = [[evaluation.system.label, *cells] for evaluation, cells in zip(evaluations, zip(*columns))]
    return page.table(("system", *heads), rows) + page.note(" ".join(notes))


def _eer(rates: ErrorRates) -> Cell:
    return _percent(rates.equal_error_rate), _span(rates.equal_error_rate_interval)


def _auc(rates: ErrorRates) -> Cell:
    return f"{rates.auc:.5f}", _span(rates.auc_interval, 1, 5)


def _tar(point: OperatingPoint) -> Cell:
    return _percent(point.true_matches.value), _span(point.tar_interval)


def _shared_fmr(rates: Sequence[ErrorRates]) -> float | None:
    """1e-3 if all systems have it, else the lowest FMR that all have."""
    shared = set.intersection(*({point.fmr for point in rate.points} for rate in rates))
    return 1e-3 if 1e-3 in shared else min(shared, default=None)


def _point(rates: ErrorRates, fmr: float) -> OperatingPoint | None:
    return next((point for point in rates.points if point.fmr == fmr), None)


def _differences(comparisons: Sequence[Comparison]) -> str:
    if not comparisons:
        return ""
    parts = [
        f"<p>Each system beside <b>{page.text(comparisons[0].baseline.label)}</b>, on the same comparisons, in "
        "percentage points; positive is better. Below a difference stand its 95 % interval and what it says: where the "
        "interval holds 0, the difference may be chance.</p>"
    ]
    tests = [item.mcnemar for item in comparisons if item.mcnemar is not None]
    if tests:
        rows: list[Sequence[Cell]] = [
            (
                item.system.label,
                _difference(item.accuracy_difference, item.accuracy_interval),
                f"{item.mcnemar.only_first:,}" if item.mcnemar else "–",
                f"{item.mcnemar.only_second:,}" if item.mcnemar else "–",
                _p(item.mcnemar.p_value) if item.mcnemar else "–",
            )
            for item in comparisons
        ]
        heads = ("system", "accuracy, points", "right: baseline only", "right: this only", "McNemar's p")
        parts.append(page.table(heads, rows))
        if len(tests) > 1:
            parts.append(
                page.note(
                    f"{len(tests)} tests side by side: by chance alone, one in twenty falls below 0.05. Hold p "
                    f"against {0.05 / len(tests):.2g} to keep the chance of any false alarm at 5 % (Bonferroni)."
                )
            )
    fmrs = sorted({entry.fmr for item in comparisons for entry in item.tar_differences}, reverse=True)
    if fmrs:
        rows = []
        for item in comparisons:
            found = {entry.fmr: _difference(entry.difference, entry.interval) for entry in item.tar_differences}
            rows.append((item.system.label, *(found.get(fmr, "–") for fmr in fmrs)))
        parts.append(page.table(("system", *(f"TAR at FMR {_power(fmr)}, points" for fmr in fmrs)), rows))
        parts.append(page.note("TAR: each system at its own threshold for the FMR."))
    return "".join(parts)


def _difference(difference: float | None, interval: Interval | None) -> Cell:
    if difference is None or interval is None:
        return "–"
    return _points(difference), f"{_points(interval.low)} to {_points(interval.high)}", _verdict(difference, interval)


def _verdict(difference: float, interval: Interval) -> str:
    if interval.low > 0:
        return "better"
    if interval.high < 0:
        return "worse"
    return "no difference" if difference == interval.low == interval.high == 0 else "may be chance"


def _data(first: Evaluation) -> str:
    facts = {
        "Protocol": first.protocol,
        "Data set": first.dataset,
        "Photos": f"{first.photos:,}",
        "People": "not stated by the data set" if first.people is None else f"{first.people:,}",
    }
    if first.accuracy is not None:
        sizes = sorted({fold.total for fold in first.accuracy.folds})
        facts["Folds"] = f"{len(first.accuracy.folds)}, of {' to '.join(f'{size:,}' for size in _ends(sizes))} pairs"
    for name, rates in (("The protocol's pairs", first.pairs), ("All comparisons", first.all_pairs)):
        if rates is not None:
            people = "" if rates.people is None else f", of {rates.people:,} people"
            facts[name] = f"{rates.genuine:,} genuine, {rates.impostor:,} impostor{people}"
    text = page.facts(facts)
    if first.all_pairs is not None:
        text += page.note(
            "All comparisons: every photo against every other. They are far more than the protocol's list, and so the "
            "steadier figures and the source of thresholds; the list is what the literature reports. Impostor "
            "comparisons of photos that could not be enrolled are left out, so their number can differ between systems."
        )
    return text


def _curves(evaluations: Sequence[Evaluation]) -> str:
    return "\n".join(
        f'<figure><div class="box" tabindex="0" role="group" aria-label="figure">'
        f"{_inline(curves.to_svg(curves.FIGURES[name](evaluations)), name)}</div>"
        f"<figcaption>{escape(definitions.CAPTIONS[name])}</figcaption></figure>"
        for name in curves.drawable(evaluations)
    )


def _inline(svg: bytes, name: str) -> str:
    """A drawing of matplotlib as a part of the page: names of its own, colours of the page, nothing that refers out."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - matplotlib's own output, which declares no entity
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {}
        for key, value in element.attrib.items():
            key = key.rpartition("}")[2]
            if key == "id":
                value = f"{name}-{value}"
            elif key == "href":
                value = f"#{name}-{value[1:]}"
            value = value.replace("url(#", f"url(#{name}-")
            for colour, variable in _FOLLOW.items():
                value = value.replace(colour, variable)
            attributes[key] = value
        element.attrib.clear()
        element.attrib.update(attributes)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": definitions.CAPTIONS[name]}
    return ElementTree.tostring(root, encoding="unicode")


def _rates(evaluation: Evaluation) -> str:
    parts = [
        _rate_table(head, rates)
        for head, rates in (
            ("All comparisons among the photos", evaluation.all_pairs),
            ("The protocol's pairs", evaluation.pairs),
        )
        if rates is not None
    ]
    return f"<h3>{page.text(evaluation.system.label)}</h3>{''.join(parts)}" if parts else ""


def _rate_table(head: str, rates: ErrorRates) -> str:
    caption = (
        f"{head}: {rates.genuine:,} genuine, {rates.impostor:,} impostor. EER {_percent(rates.equal_error_rate)} %"
        f"{_in_brackets(_span(rates.equal_error_rate_interval))}, AUC {rates.auc:.5f}"
        f"{_in_brackets(_span(rates.auc_interval, 1, 5))}."
    )
    heads = ("FMR", "threshold", "measured FMR", "false matches", "TAR, %", "true matches")
    rows: list[Sequence[Cell]] = [
        (
            _power(point.fmr),
            (
                f"{point.threshold:.4f}" if point.threshold < 1 else "none below 1",
                _span(point.threshold_interval, 1, 4),
            ),
            (f"{point.false_matches.value:.3g}", f"{point.fmr_interval.low:.2g} to {point.fmr_interval.high:.2g}"),
            f"{point.false_matches.count:,} of {point.false_matches.total:,}",
            _tar(point),
            f"{point.true_matches.count:,} of {point.true_matches.total:,}",
        )
        for point in rates.points
    ]
    rows += [
        (
            _power(fmr),
            f"not supported: an FMR of {_power(fmr)} takes {round(3 / fmr):,} impostor comparisons (rule of three), "
            f"and there are {rates.impostor:,}",
        )
        for fmr in FMRS
        if _point(rates, fmr) is None and 3 / rates.impostor > fmr
    ]
    return page.table(heads, rows, caption=caption)


def _folds(evaluations: Sequence[Evaluation]) -> str:
    shown = [(item.system.label, item.accuracy) for item in evaluations if item.accuracy is not None]
    if not shown:
        return ""
    count = max(len(accuracy.folds) for _, accuracy in shown)
    heads = ["system", *(f"{fold + 1}" for fold in range(count)), "mean"]
    rows: list[Sequence[Cell]] = [
        (
            label,
            *((_percent(fold.value), f"{at:.4f}") for fold, at in zip(accuracy.folds, accuracy.thresholds)),
            _percent(accuracy.accuracy),
        )
        for label, accuracy in shown
    ]
    return page.table(
        heads, rows, caption="Accuracy on each fold, %, and below it the threshold, chosen on the others."
    )


def _identification(evaluation: Evaluation) -> str:
    found = evaluation.identification
    if found is None:
        return ""
    closed = found.closed
    draws = f"{found.repeats} random draw{'s' if found.repeats != 1 else ''}, seed {found.seed}"
    parts = [f"<h3>{page.text(evaluation.system.label)}</h3>"]
    caption = (
        f"Closed set: {closed.people:,} people in the gallery with one photo each, {closed.searches:,} searches for "
        f"{closed.searched:,} of them; not enrolled: {_count(closed.failed_gallery)} in the gallery, "
        f"{_count(closed.failed_searches)} searches. {draws}."
    )
    rows: list[Sequence[Cell]] = [
        (f"{rate.rank}", (_spread(rate.rate), _span(rate.interval)))
        for rate in closed.cmc
        if rate.rank in (1, 2, 5, 10, 20)
    ]
    parts.append(page.table(("rank", "identified, %"), rows, caption=caption))
    parts.append(_open_set(found))
    return "".join(parts)


def _open_set(found: Identification) -> str:
    opened = found.open
    if opened is None:
        return page.note(f"Open set: left out, {found.open_omitted or 'it was not asked for'}.")
    caption = (
        f"Open set: {opened.enrolled:,} people in the gallery, {opened.strangers:,} not; {_count(opened.mated)} mated "
        f"and {_count(opened.non_mated)} non-mated searches; not enrolled: {_count(opened.failed_gallery)} in the "
        f"gallery, {_count(opened.failed_mated)} mated and {_count(opened.failed_non_mated)} non-mated searches."
    )
    rows: list[Sequence[Cell]] = [
        (
            _power(point.fpir),
            _spread(point.threshold, 1, 4),
            _spread(point.measured_fpir, 100, 3),
            (_spread(point.fnir), _span(point.fnir_interval)),
        )
        for point in opened.points
    ]
    stated = {point.fpir for point in opened.points}
    rows += [
        (_power(fpir), f"not supported: takes {round(3 / fpir):,} non-mated searches (rule of three)")
        for fpir in FPIRS
        if fpir not in stated and 3 / opened.non_mated.least > fpir
    ]
    heads = ("FPIR", "threshold", "measured FPIR, %", f"FNIR at rank {opened.rank}, %")
    return page.table(heads, rows, caption=caption)


def _failures(evaluation: Evaluation) -> str:
    count = len(evaluation.failures)
    text = f"<h3>{page.text(evaluation.system.label)}</h3>"
    if not count:
        return f"{text}<p>None: all {evaluation.photos:,} photos were enrolled.</p>"
    pairs = ""
    if evaluation.pairs is not None:
        pairs = f" They are in {evaluation.failed_pairs:,} of the protocol's pairs."
    share = f"{count:,} of {evaluation.photos:,} photos ({count / evaluation.photos:.2%})"
    rows = [(item.photo.path, item.photo.person, item.reason) for item in evaluation.failures]
    return f"{text}<p>{share}.{pairs}</p>" + page.table(("photo", "person", "reason"), rows, figures=False, long=True)


def _worst(evaluation: Evaluation) -> str:
    if not evaluation.worst:
        return ""
    rows = [(item.kind, f"{item.similarity:.4f}", item.a.path, item.b.path) for item in evaluation.worst]
    return (
        f"<h3>{page.text(evaluation.system.label)}</h3>"
        + page.table(("error", "similarity", "photo", "photo"), rows, figures=False, long=True)
        + page.note("Look at these photos: wrong labels, copies and unusable pictures show here first.")
    )


def _system(evaluation: Evaluation) -> str:
    system = evaluation.system
    facts = {
        "Model": f"{system.name} ({system.model.model_id})",
        "Precision": system.model.precision,
        "Detector": f"{system.model.detector or 'none: the pictures are aligned crops'}"
        f"{f', asked for as {system.detector}' if system.detector else ''}",
        "Runtime": system.runtime,
        "Model file": system.file,
        "sha256 of the file": system.file_sha256,
        "sha256 of its source": system.source_sha256,
        "Time": f"{evaluation.seconds:,.1f} s for reading, detecting, aligning and embedding; "
        f"{evaluation.computed:,} of {evaluation.photos:,} photos in this run, the others from the cache",
    }
    return f"<h3>{page.text(system.label)}</h3>" + page.facts(facts)


def _definitions(results: Results) -> str:
    terms = list(definitions.DEFINITIONS)
    if results.comparisons:
        terms.append(definitions.OF_COMPARISON)
    if any(item.identification for item in results.evaluations):
        terms.append(definitions.OF_IDENTIFICATION)
    return f"<dl>{''.join(f'<dt>{escape(term)}</dt><dd>{escape(text)}</dd>' for term, text in terms)}</dl>"


def _intervals(results: Results) -> str:
    made: dict[str, list[Interval | None]] = {
        "Accuracy": [item.accuracy_interval for item in results.evaluations],
        "EER": [],
        "AUC": [],
        "Threshold at an FMR": [],
        "FMR at a threshold": [],
        "TAR at an FMR": [],
        "Difference of accuracies": [item.accuracy_interval for item in results.comparisons],
        "Difference of TARs": [entry.interval for item in results.comparisons for entry in item.tar_differences],
        "Identification rate": [],
        "FNIR": [],
    }
    for evaluation in results.evaluations:
        for rates in (evaluation.pairs, evaluation.all_pairs):
            if rates is not None:
                made["EER"].append(rates.equal_error_rate_interval)
                made["AUC"].append(rates.auc_interval)
                made["Threshold at an FMR"] += [point.threshold_interval for point in rates.points]
                made["FMR at a threshold"] += [point.fmr_interval for point in rates.points]
                made["TAR at an FMR"] += [point.tar_interval for point in rates.points]
        if evaluation.identification is not None:
            made["Identification rate"] += [rate.interval for rate in evaluation.identification.closed.cmc]
            if evaluation.identification.open is not None:
                made["FNIR"] += [point.fnir_interval for point in evaluation.identification.open.points]
    facts = {
        figure: "; ".join(dict.fromkeys("none" if item is None else item.method for item in intervals))
        for figure, intervals in made.items()
        if intervals
    }
    none = "none" in "; ".join(facts.values()).split("; ")
    return (
        page.facts(facts)
        + page.bullets(definitions.METHODS)
        + (page.note("None: it is not known, or of too few, who is in the comparisons.") if none else "")
    )


def _caveats(first: Evaluation) -> str:
    lfw = "lfw" in f"{first.protocol} {first.dataset}".lower()
    return page.bullets((*definitions.CAVEATS, *(definitions.LFW_CAVEATS if lfw else ())))


def _making(command: str, date: datetime, software: Mapping[str, str | None] | None, device: str | None) -> str:
    if device is None:
        machine = look_at_machine()
        device = ", ".join(filter(None, (machine.cpu, machine.architecture, f"{machine.cpus} CPUs", machine.system)))
    found = versions() if software is None else software
    facts = {
        "Date": f"{date:%Y-%m-%d %H:%M} UTC",
        "Device": device,
        **{name: version for name, version in found.items() if version is not None},
    }
    warning = (
        "Names of files and people stand in this page. They are personal data where the people are private: share it "
        "as you would share the photos' names."
    )
    return f'<pre><code>{page.text(command)}</code></pre>{page.facts(facts)}<p class="warning">{escape(warning)}</p>'


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _power(rate: float) -> str:
    """Such as 1e-3."""
    digits, _, exponent = f"{rate:e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 1e-3 else f"{value:.1e}"


def _span(interval: Interval | None, factor: float = 100, digits: int = 2) -> str:
    if interval is None:
        return "–"
    return f"{factor * interval.low:.{digits}f} to {factor * interval.high:.{digits}f}"


def _in_brackets(text: str) -> str:
    return "" if text == "–" else f" ({text})"


def _points(value: float) -> str:
    return f"{round(100 * value, 2) + 0:+.2f}".replace("-", "−")  # + 0: no negative zero


def _spread(spread: Spread, factor: float = 100, digits: int = 2) -> str:
    text = f"{factor * spread.mean:.{digits}f}"
    return text if spread.std is None else f"{text} ± {factor * spread.std:.{digits}f}"


def _count(spread: Spread) -> str:
    """A number of photos or people over the draws."""
    low, high = round(spread.least), round(spread.most)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _ends(values: Sequence[int]) -> Sequence[int]:
    return values if len(values) < 2 else (values[0], values[-1])
