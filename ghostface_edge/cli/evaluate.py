"""The verbs that measure accuracy."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from .options import FLIP, JSON, MAX_PIXELS, NO_THREADS, VERBOSE, all_of, full_precision, given, show_help
from .output import answer, check_place, report, write_file


def benchmarks(module: str) -> Any:
    """A module of the benchmarks, by name: the folder stands beside this package in a checkout, inside it installed."""
    return import_module(f"ghostface_edge.benchmarks.{module}")


def _full_precisions(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(full_precision(context, parameter, value)) for value in values)


_SYSTEMS = all_of(
    click.option(
        "--model",
        "models",
        multiple=True,
        metavar="NAME|PATH",
        help="A name from `models list`, a model or a checkpoint; several are compared with the first.  "
        "[default: ghostfacenet-w0.5-s2]",
    ),
    click.option(
        "--precision",
        "precisions",
        multiple=True,
        metavar="NAME",
        callback=_full_precisions,
        help="Of the embedder: fp32, fp16 or int8; on litert also dynamic or int16x8; or several.  "
        "[default: auto, which is fp32 or fp16]",
    ),
    click.option(
        "--runtime",
        "runtimes",
        multiple=True,
        metavar="onnx|litert",
        help="What runs the models, or both.  [default: what a model's file needs, else the best that is installed]",
    ),
    FLIP,
)
_DETECTORS = click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME",
    help="yunet, yunet-fast, yunet-plain, yunet-opencv or scrfd:FILE, as elsewhere; or several.  [default: yunet]",
)
JOBS = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Worker processes, each with one thread.",
)
CACHE = all_of(
    click.option(
        "--cache",
        metavar="FILE",
        help="Where embeddings are kept, for the next run or after an interruption.  [default: in the user's cache]",
    ),
    click.option("--no-cache", is_flag=True, help="Keep no embeddings: they are biometric data."),
)
_REPORTS = all_of(
    click.option("--html", "html_file", metavar="FILE", help="Write a report with all figures and curves."),
    click.option("--plots", "plots_folder", metavar="DIR", help="Write the curves as PNG and SVG."),
    click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables as Markdown."),
)
_WORST_FILE = click.option(
    "--worst",
    "worst_file",
    metavar="FILE",
    help="Write a PNG of the worst errors side by side, of the first system. It shows the people: keep it to yourself.",
)
ALIGNED = click.option(
    "--aligned", is_flag=True, help="The pictures are crops, aligned to the ArcFace template: look for no faces."
)
_SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Decides what is drawn."
)

_measured = all_of(_SYSTEMS, JOBS, CACHE, _REPORTS, NO_THREADS, JSON, VERBOSE)
"""Options of a verb that needs no detector."""
_found = all_of(_DETECTORS, MAX_PIXELS, ALIGNED, _measured)
"""Options of a verb whose photos need one."""

_WORST = 12  # of each kind on a contact sheet


@click.group(name="eval", invoke_without_command=True)
@click.pass_context
def evaluate(context: click.Context) -> None:
    """Measure accuracy on the field's own protocols.

    Several models, precisions, runtimes or detectors are evaluated in one run and compared with the first of them.
    """
    show_help(context)


@evaluate.command(short_help="LFW View 2: 6,000 pairs in 10 folds.")
@click.option("--photos", metavar="DIR", required=True, help="Folder with the photos, PERSON/PERSON_NNNN.jpg.")
@click.option("--pairs", metavar="FILE", required=True, help="LFW's pairs.txt (View 2).")
@_WORST_FILE
@_found
def lfw(photos: str, pairs: str, **options: Any) -> None:
    """Verification on LFW: View 2 in 10 folds, and every comparison among its photos."""
    listed = benchmarks("pairs").read_lfw_pairs(pairs)
    _run(_folder(photos, options), lambda evaluator: evaluator.pairs(listed), **options)


@evaluate.command(name="bin", short_help="A verification set in InsightFace's .bin format.")
@click.argument("file", metavar="FILE")
@_WORST_FILE
@_measured
def bin_file(file: str, **options: Any) -> None:
    """Verification on a set of aligned crops as InsightFace publishes them: lfw.bin, cfp_fp.bin, agedb_30.bin ..."""
    found = benchmarks("bin_file").read_bin(file)
    _run(found, lambda evaluator: evaluator.pairs(found.pairs), **options)


@evaluate.command(name="pairs", short_help="Pairs of photos listed in a CSV file.")
@click.argument("file", metavar="FILE.csv")
@click.option("--photos", metavar="DIR", help="Where the paths in the file start.  [default: the file's folder]")
@_WORST_FILE
@_found
def pair_list(file: str, photos: str | None, **options: Any) -> None:
    """Verification on the pairs of a CSV file with the columns a, b and same.

    Optional columns: fold, for cross-validated accuracy; person_a and person_b, for intervals that know who is who.
    """
    listed = benchmarks("pair_csv").read_csv_pairs(file)
    folder = os.path.dirname(file) or os.curdir if photos is None else photos
    _run(_folder(folder, options), lambda evaluator: evaluator.pairs(listed), **options)


@evaluate.command(name="folder", short_help="A folder of photos for each person.")
@click.argument("photos", metavar="DIR")
@click.option(
    "--sample",
    type=click.IntRange(min=2),
    metavar="N",
    help="Also draw N pairs in 10 folds without common people, for an accuracy as on LFW.",
)
@_SEED
@_WORST_FILE
@_found
def people(photos: str, sample: int | None, seed: int, **options: Any) -> None:
    """Verification on DIR/PERSON/*.jpg: every photo against every other."""
    found = benchmarks("folder").people_photos(photos)
    name = f"all pairs of {os.path.basename(os.path.abspath(photos))}"
    if sample is None:
        _run(_folder(photos, options), lambda evaluator: evaluator.people(found, name), **options)
        return
    drawn = benchmarks("folder").sampled_pairs(found, sample, seed=seed, name=f"{name}, {sample} drawn, seed {seed}")
    _run(_folder(photos, options), lambda evaluator: evaluator.pairs(drawn), **options)


@evaluate.command(short_help="1:N identification on a folder of photos for each person.")
@click.argument("photos", metavar="DIR")
@click.option(
    "--repeats",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    metavar="N",
    help="How many times it is drawn who is enrolled, and with which photo.",
)
@_SEED
@_found
def identify(photos: str, repeats: int, seed: int, **options: Any) -> None:
    """Identification on DIR/PERSON/*.jpg: rank 1 and 5 among enrolled people, and errors with strangers."""
    found = benchmarks("folder").people_photos(photos)
    name = f"identification in {os.path.basename(os.path.abspath(photos))}"
    _run(
        _folder(photos, options),
        lambda evaluator: evaluator.identification(found, name, seed=seed, repeats=repeats),
        **options,
    )


@evaluate.command(short_help="Template verification on IJB-B or IJB-C.")
@click.argument("name", metavar="IJB-B|IJB-C")
@click.argument("folder", metavar="DIR")
@click.option(
    "--detector-score", is_flag=True, help="Weigh each image with the confidence of the detector behind the lists."
)
@_measured
def ijb(name: str, folder: str, detector_score: bool, **options: Any) -> None:
    """Verification of templates, in the layout of InsightFace: DIR/meta/ijbb_*.txt and images in DIR/loose_crop."""
    lists = benchmarks("ijb_lists").read_ijb(Path(folder) / "meta", name=name)
    source = benchmarks("photos").PhotoFolder(Path(folder) / "loose_crop")
    _run(source, lambda evaluator: evaluator.templates(lists, detector_score=detector_score), **options)


def _folder(photos: str, options: dict[str, Any]) -> Any:
    return benchmarks("photos").PhotoFolder(Path(photos), aligned=options.pop("aligned"))


def _run(
    source: Any,
    protocol: Callable[[Any], Any],
    *,
    cache: str | None,
    no_cache: bool,
    jobs: int,
    html_file: str | None,
    plots_folder: str | None,
    as_markdown: bool,
    as_json: bool,
    worst_file: str | None = None,
    **options: Any,
) -> None:
    """Evaluate, and write what was asked for."""
    for place in (html_file, worst_file):
        if place is not None:
            check_place(place)
    if worst_file is not None:
        benchmarks("contact_sheet").require_format(worst_file)
    if plots_folder is not None:
        place = os.path.abspath(plots_folder)
        while not os.path.lexists(place):  # folders are made when there is something to put into them
            place = os.path.dirname(place)
        check_place(os.path.join(place, "roc.png"))
    if html_file is not None or plots_folder is not None:
        benchmarks("curves").require_matplotlib()
    with ExitStack() as stack:
        kept = None if no_cache else stack.enter_context(benchmarks("embedding_cache").EmbeddingCache.open(cache))
        evaluator = benchmarks("accuracy").Evaluator(
            _systems(**options), source, cache=kept, jobs=jobs, worst=0 if worst_file is None else _WORST
        )
        results = protocol(evaluator)
    try:
        if plots_folder is not None:
            for path in benchmarks("curves").write_curves(plots_folder, results.evaluations):
                report("note", f"written {path}")
        if html_file is not None:
            command = f"ghostface-edge {click.get_current_context().obj}"
            page = benchmarks("evaluation_report").to_html(results, command=command)
            write_file(html_file, page.encode())
            report("note", f"written {html_file}")
        if worst_file is not None:
            benchmarks("contact_sheet").write_contact_sheet(worst_file, results.evaluations[0].worst, source)
            report("note", f"written {worst_file}: it shows real people, keep it to yourself")
    finally:  # a full disk does not cost the figures
        answer(results.to_dict(), results.to_text(as_markdown=as_markdown), as_json)


def _systems(
    *,
    models: tuple[str, ...],
    precisions: tuple[str, ...],
    runtimes: tuple[str, ...],
    detectors: tuple[str, ...] = (),
    flip: bool,
    max_pixels: int | None = None,
) -> list[Any]:
    """One system for each combination of what was named."""
    make = benchmarks("system").System
    everything = itertools.product(models or (None,), detectors or (None,), runtimes or (None,), precisions or (None,))
    return [
        make(
            **given(
                {
                    "model": model,
                    "detector": detector,
                    "runtime": runtime,
                    "precision": precision,
                    "flip": flip,
                    "max_pixels": max_pixels,
                }
            )
        )
        for model, detector, runtime, precision in everything
    ]
