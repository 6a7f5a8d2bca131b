"""The verbs that look at photos: detect, embed, verify."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import GhostFaceError, OptionError
from ..notices import without_notices
from .options import FMR, THRESHOLD, decision, detector_options, engine_options, load_engine
from .output import Failures, answer, check_place, count, emit, one_line, say, write_file

if TYPE_CHECKING:
    from ..types import Face, ModelIdentity

_Entry = dict[str, Any]

_photos = click.argument("photos", metavar="IMAGE...", nargs=-1, required=True)
_min_face = click.option(
    "--min-face",
    type=float,
    metavar="X",
    help="Width of the smallest face wanted: pixels, or below 1 a share of the photo's longest side.  [default: the "
    "detector sees 640 pixels]",
)


@click.command(short_help="Find the faces of photos.")
@_photos
@click.option(
    "--draw",
    metavar="OUT",
    help="Draw boxes, landmarks and scores: into a .jpg or .png file; for several photos, into a folder.",
)
@_min_face
@detector_options
def detect(photos: tuple[str, ...], draw: str | None, min_face: float | None, as_json: bool, **options: Any) -> int:
    """Find the faces of photos: box, score, five landmarks.

    With several photos, or if OUT is a folder, --draw writes STEM.jpg for each photo into the folder OUT, which is
    created if absent.
    """
    from ..catalog import DEFAULT_DETECTOR
    from ..detection.detector import found_by
    from ..drawing import drawn, encoded
    from ..engine import load_detector
    from ..image import DEFAULT_MAX_PIXELS, Image

    places = _places(photos, draw)
    with without_notices():
        detector = load_detector(
            options["detector"] or DEFAULT_DETECTOR, runtime=options["runtime"], threads=options["threads"]
        )

    def work(photo: str) -> _Entry:
        image = Image.open(photo, max_pixels=options["max_pixels"] or DEFAULT_MAX_PIXELS)
        faces = found_by(detector, image, min_face=min_face)
        entry: _Entry = {"width": image.width, "height": image.height, "faces": [face.to_dict() for face in faces]}
        if photo in places:
            write_file(places[photo], encoded(drawn(image, faces), places[photo]))
            entry["drawn"] = places[photo]
        return entry

    entries, failures = _each(photos, work, as_json)
    if as_json:
        emit({"detector": detector.name, "images": entries})
    return failures.exit_code


@click.command(short_help="Turn faces into embeddings.")
@_photos
@click.option(
    "-o",
    "--output",
    metavar="FILE.npz",
    help="Write embeddings (N, D), names, boxes, landmarks, scores and the model (JSON text) to a NumPy file.",
)
@click.option("--all-faces", is_flag=True, help="Every face of each photo, largest first, not the main face alone.")
@_min_face
@engine_options
def embed(
    photos: tuple[str, ...],
    output: str | None,
    all_faces: bool,
    min_face: float | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Turn faces into embeddings: vectors of length 1 that are close for one person.

    Read the file with numpy.load(FILE); it needs no pickle. A photo that fails is left out of it.
    """
    if min_face is not None and not all_faces:
        raise click.UsageError("--min-face goes with --all-faces", click.get_current_context())
    if output is not None:
        check_place(output, *photos)
    engine = load_engine(**options)
    rows: list[tuple[str, Face]] = []

    def work(photo: str) -> _Entry:
        faces = engine.faces(photo, min_face=min_face) if all_faces else (engine.face(photo),)
        rows.extend((photo, face) for face in faces)
        return {"faces": [face.to_dict() for face in faces]}

    entries, failures = _each(photos, work, as_json)
    document: _Entry = {"model": engine.model.to_dict(), "images": entries}
    if output is not None and failures.count < len(photos):
        npz = _npz(rows, engine.model, engine.card.embedding_size)
        write_file(output, npz, mode=0o600)  # biometric data: for its owner only
        document["output"] = output
    size = engine.card.embedding_size
    text = f"{count(len(rows), 'embedding')} of {size} numbers, {engine.describe()}" + (
        f", written to {output}" if "output" in document else "" if output else ". Keep them with -o FILE.npz or --json"
    )
    answer(document, one_line(text), as_json)
    return failures.exit_code


@click.command(short_help="Do two photos show the same person?")
@click.argument("a")
@click.argument("b")
@FMR
@THRESHOLD
@engine_options
def verify(a: str, b: str, fmr: float | None, threshold: float | None, as_json: bool, **options: Any) -> int:
    """Do photos A and B show the same person? The main face of each is compared. Exit code 0: yes, 1: no."""
    rate = decision(fmr, threshold)
    engine = load_engine(**options)
    measured = engine.threshold(rate) if threshold is None else None
    faces = [engine.face(photo) for photo in (a, b)]
    result = engine.verify(faces[0], faces[1], fmr=rate, threshold=threshold)
    document = {
        **result.to_dict(),
        "measured": None if measured is None else measured.to_dict(),
        "model": engine.model.to_dict(),
        "images": [{"image": p, "face": f.to_dict(embedding=False)} for p, f in zip((a, b), faces)],
    }
    origin = "your own" if result.fmr is None else f"FMR {result.fmr:g}"
    text = f"similarity {result.similarity:.3f}, threshold {result.threshold:.3f} ({origin})"
    answer(document, f"{'match' if result.match else 'no match'}: {text}", as_json)
    return 0 if result.match else 1


def _each(photos: Sequence[str], work: Callable[[str], _Entry], as_json: bool) -> tuple[list[_Entry], Failures]:
    """What is found in each photo; one that fails does not stop the others."""
    entries, failures = [], Failures()
    for photo in photos:
        try:
            entry = {"image": photo, **work(photo)}
        except GhostFaceError as error:
            entries.append({"image": photo, **failures.report(error)})
            continue
        entries.append(entry)
        if not as_json:
            say("\n".join([f"{one_line(photo)}: {count(len(entry['faces']), 'face')}", *map(_line, entry["faces"])]))
    return entries, failures


def _line(face: _Entry) -> str:
    box = face["box"]
    width, height = box["x2"] - box["x1"], box["y2"] - box["y1"]
    return f"  score {face['score']:.2f}, {width:.0f} x {height:.0f} pixels at {box['x1']:.0f}, {box['y1']:.0f}"


def _places(photos: Sequence[str], output: str | None) -> dict[str, str]:
    """Where the drawing of each photo goes.

    Raises:
        OptionError: A file name of another kind, two photos for one place, or a drawing that would replace a photo.
    """
    from ..drawing import require_format

    if output is None:
        return {}
    if len(photos) == 1 and not os.path.isdir(output):
        require_format(output)
        places = {photos[0]: output}
    else:
        try:
            os.makedirs(output, exist_ok=True)
        except (OSError, ValueError) as error:
            raise OptionError(
                f"--draw {output} is not a folder, and several photos need one: {getattr(error, 'strerror', error)}"
            ) from error
        places = {photo: os.path.join(output, f"{Path(photo).stem}.jpg") for photo in photos}
        if len(set(places.values())) < len(places):
            raise OptionError("two of the photos have one name, and so would their drawings: draw them one by one")
    for place in places.values():
        check_place(place, *photos)
    return places


def _npz(rows: Sequence[tuple[str, Face]], model: ModelIdentity, size: int) -> bytes:
    import json

    import numpy as np

    faces = [face for _, face in rows]
    boxes = [(face.box.x1, face.box.y1, face.box.x2, face.box.y2) for face in faces]
    file = BytesIO()
    np.savez(
        file,
        embeddings=np.array([face.embedding for face in faces], np.float32).reshape(-1, size),
        names=np.array([photo for photo, _ in rows], np.str_),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        landmarks=np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2),
        scores=np.array([face.score for face in faces], np.float32),
        model=np.array(json.dumps(model.to_dict())),
    )
    return file.getvalue()
