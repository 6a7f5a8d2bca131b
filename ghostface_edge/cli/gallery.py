"""The verbs of the gallery: who was enrolled, and whom a photo shows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from .options import FMR, THRESHOLD, decision, engine_options, load_engine, plain_options, show_help
from .output import answer, count, one_line, report, table

if TYPE_CHECKING:
    from ..engine import FaceEngine
    from ..types import Face

_file = click.option(
    "--gallery", "path", metavar="FILE", default="people.db", show_default=True, help="The gallery's file."
)


@click.group(invoke_without_command=True, short_help="Remember people and recognise them.")
@click.pass_context
def gallery(context: click.Context) -> None:
    """Remember people and recognise them: one file holds the gallery."""
    show_help(context)


@gallery.command(short_help="Add photos to a person.")
@click.argument("name")
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@_file
@engine_options
def enroll(name: str, photos: tuple[str, ...], path: str, as_json: bool, **options: Any) -> None:
    """Add the main face of each PHOTO to the person NAME: all of them, or none.

    A file that is not there yet is created, and is then bound to the model.
    """
    from ..gallery import Gallery, clean_name

    clean_name(name)  # before a new file is made for it
    engine = load_engine(**options)
    faces = [_main_face(engine, photo) for photo in photos]
    with Gallery.open(path, model=engine.model) as opened:
        person = opened.enroll(name, *faces)
    document = {
        "gallery": path,
        **person.to_dict(),
        "enrolled": [{"image": p, "face": f.to_dict(embedding=False)} for p, f in zip(photos, faces)],
    }
    text = f"{person.name}: {count(len(faces), 'photo')} enrolled, {count(person.templates, 'template')} in {path}"
    answer(document, one_line(text), as_json)


@gallery.command(short_help="Whom does a photo show?")
@click.argument("photo")
@_file
@click.option("--top-k", type=click.IntRange(min=1), default=5, show_default=True, help="Most people to name.")
@FMR
@THRESHOLD
@engine_options
def search(
    photo: str,
    path: str,
    top_k: int,
    fmr: float | None,
    threshold: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Whom does PHOTO show? The people most like its main face, best first."""
    from ..gallery import Gallery
    from ..matching import cutoff
    from ..types import Threshold

    rate = decision(fmr, threshold)
    with Gallery.open(path) as opened:
        engine = load_engine(**options)
        limit = engine.threshold(rate) if threshold is None else threshold
        face = engine.face(photo)
        matches = opened.search(face, top_k=top_k, threshold=limit)
    best = next((match.name for match in matches if match.match), None)
    document = {
        "gallery": path,
        "image": photo,
        "face": face.to_dict(embedding=False),
        "threshold": cutoff(limit),
        "fmr": rate if threshold is None else None,
        "measured": limit.to_dict() if isinstance(limit, Threshold) else None,
        "match": best is not None,
        "name": best,
        "matches": [match.to_dict() for match in matches],
    }
    origin = f"FMR {rate:g}" if threshold is None else "your own"
    rows = [(item.name, f"{item.similarity:.3f}", "match" if item.match else "no match") for item in matches]
    head = f"{'no match' if best is None else one_line(best)}: threshold {cutoff(limit):.3f} ({origin})"
    answer(document, "\n".join([head, *([table(("name", "similarity", "decision"), rows)] if rows else [])]), as_json)


@gallery.command(name="list")
@_file
@plain_options
def list_(path: str, as_json: bool) -> None:
    """Who is in the gallery."""
    from ..gallery import Gallery

    with Gallery.open(path) as opened:
        people, model_id = opened.people(), opened.model_id
    document = {"gallery": path, "model_id": model_id, "people": [person.to_dict() for person in people]}
    rows = [(person.name, person.templates, person.enrolled_at, person.updated_at) for person in people]
    text = f"{one_line(path)}: {count(len(people), 'person', 'people')}, model {one_line(model_id)}"
    if rows:
        text += "\n" + table(("name", "templates", "first enrolled", "last enrolled"), rows)
    answer(document, text, as_json)


@gallery.command(short_help="Forget people.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_file
@plain_options
def remove(names: tuple[str, ...], path: str, as_json: bool) -> None:
    """Forget people: all of those named, or none. Their bytes are erased from the file."""
    from ..gallery import Gallery

    with Gallery.open(path) as opened:
        opened.remove(*names)
    answer({"gallery": path, "removed": list(names)}, one_line(f"removed from {path}: {', '.join(names)}"), as_json)


@gallery.command(short_help="Write everybody to a file.")
@click.argument("file")
@_file
@plain_options
def export(file: str, path: str, as_json: bool) -> None:
    """Write everybody to FILE, as JSON Lines. It holds biometric data, in the clear."""
    from ..gallery import Gallery

    with Gallery.open(path) as opened:
        people = opened.export(file)
    text = one_line(f"{count(people, 'person', 'people')} written to {file}")
    answer({"gallery": path, "file": file, "people": people}, text, as_json)


@gallery.command(name="import", short_help="Add everybody of an export.")
@click.argument("file")
@_file
@plain_options
def import_(file: str, path: str, as_json: bool) -> None:
    """Add everybody of an export. People are never merged: a name that is there already is an error.

    A gallery that is not there yet is created for the model of the export.
    """
    from ..gallery import Gallery, check_export

    with Gallery.open(path, model=None if os.path.exists(path) else check_export(file)) as opened:
        people = opened.import_(file)
    text = one_line(f"{count(people, 'person', 'people')} added to {path}")
    answer({"gallery": path, "file": file, "people": people}, text, as_json)


def _main_face(engine: FaceEngine, photo: str) -> Face:
    face = engine.face(photo)
    if face.detection is not None and face.detection.faces > 1:
        box = face.box
        where = f"{box.width:.0f} x {box.height:.0f} pixels at {box.x1:.0f}, {box.y1:.0f}"
        report("note", f"{photo}: {face.detection.faces} faces; the main one is enrolled: {where}")
    return face
