"""The verb that measures thresholds on a user's own people and puts them into the model."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ..errors import OptionError
from ..notices import without_notices
from .evaluate import ALIGNED, CACHE, JOBS, benchmarks
from .options import engine_options, given
from .output import answer, report, table


@click.command(short_help="Measure thresholds on photos of people, and put them into a model.")
@click.argument("photos", metavar="DIR")
@click.option(
    "--dry-run", is_flag=True, help="Print the thresholds and write nothing; takes a --model of every kind then."
)
@click.option(
    "--table", "table_file", metavar="FILE.json", help="Write into a table by checkpoint instead of the model."
)
@click.option("--dataset", metavar="NAME", help="What the model card calls the photos.  [default: the folder's name]")
@click.option(
    "--down-to",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="RATE",
    help="Lowest false-match rate to measure a threshold for.  [default: as far as the photos support]",
)
@ALIGNED
@JOBS
@CACHE
@engine_options
def calibrate(
    photos: str,
    dry_run: bool,
    table_file: str | None,
    dataset: str | None,
    down_to: float | None,
    aligned: bool,
    jobs: int,
    cache: str | None,
    no_cache: bool,
    threads: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure thresholds for one model with one detector on DIR/PERSON/*.jpg, and put them into the model's card.

    Every photo is compared with every other. --model names the .onnx or .tflite file that gets the thresholds;
    `verify --fmr` and `gallery search --fmr` use them from then on. Rates that the photos cannot support are left out:
    a rate of 1 in N takes 3 N comparisons of different people.
    """
    from ..catalog import DEFAULT_EMBEDDER

    if dry_run and table_file is not None:
        raise click.UsageError("--dry-run and --table exclude each other", click.get_current_context())
    metrics = benchmarks("metrics")
    fmrs = [rate for rate in metrics.FMRS if down_to is None or rate >= down_to]
    if not fmrs:
        raise OptionError(f"--down-to {down_to:g}: {max(metrics.FMRS):g} is the highest rate that is measured")
    found = benchmarks("folder").people_photos(photos)
    system = benchmarks("system").System(**given(options))
    target = None if dry_run else options["model"] or DEFAULT_EMBEDDER if table_file is None else table_file
    calibration = benchmarks("threshold_calibration")
    if target is not None:
        with without_notices():
            measured = benchmarks("system").SystemInfo.of(system.engine())
        calibration.check_target(target, measured)
        name, colon, _ = (options["detector"] or "").partition(":")
        if colon:
            report("warning", f"thresholds are kept by the detector's name: these will count for every {name!r}")
    with ExitStack() as stack:
        kept = None if no_cache else stack.enter_context(benchmarks("embedding_cache").EmbeddingCache.open(cache))
        source = benchmarks("photos").PhotoFolder(Path(photos), aligned=aligned)
        faces = benchmarks("enrolment").enrol(system, source, found, cache=kept, jobs=jobs)
    rates = metrics.error_rates(faces.all_pairs(), fmrs=fmrs)
    name = os.path.basename(os.path.abspath(photos)) if dataset is None else dataset
    name = f"{name}, all pairs of {len(found):,} photos"
    thresholds = calibration.calibrated(rates, faces.system.model.detector, name)
    least = benchmarks("uncertainty").MIN_PEOPLE
    if rates.people < least:
        report(
            "warning", f"{rates.people} people say little about others: with {least} or more, intervals say how much"
        )
    if target is not None:
        calibration.write_calibration(target, faces.system, thresholds)
        report("note", f"thresholds written to {target}")
    document = {
        "system": faces.system.to_dict(),
        "photos": len(found),
        "people": rates.people,
        "failures": [{"photo": failure.photo.path, "reason": failure.reason} for failure in faces.failures],
        "rates": rates.to_dict(),
        "thresholds": [threshold.to_dict() for threshold in thresholds],
    }
    answer(document, _text(faces, rates, thresholds), as_json)


def _text(faces: Any, rates: Any, thresholds: Any) -> str:
    rows = [
        (
            f"{entry.fmr:g}",
            f"{entry.similarity:.4f}",
            "-" if entry.similarity_low is None else f"{entry.similarity_low:.4f} to {entry.similarity_high:.4f}",
            f"{point.fmr_interval.low:.3g} to {point.fmr_interval.high:.3g}",
            f"{100 * entry.fnmr:.2f} %",
        )
        for entry, point in zip(thresholds, rates.points)
    ]
    return (
        f"{faces.system.label}\n"
        f"{len(faces.photos):,} photos of {rates.people:,} people, {len(faces.failures):,} without a usable face; "
        f"{rates.genuine:,} genuine and {rates.impostor:,} impostor comparisons\n\n"
        f"{table(('FMR', 'threshold', '95 %', 'FMR at it, 95 %', 'FNMR'), rows)}\n\n"
        f"95 %: {rates.points[0].fmr_interval.method}."
    )
