"""The verbs of the model store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import GhostFaceError, RuntimeMissingError
from .options import PRECISION, RUNTIME, plain_options, show_help
from .output import Failures, answer, emit, one_line, report, say, table

if TYPE_CHECKING:
    from ..catalog import KnownModel


@click.group(invoke_without_command=True, short_help="Models on this machine.")
@click.pass_context
def models(context: click.Context) -> None:
    """Models on this machine. Only `pull` uses the network."""
    show_help(context)


@models.command(name="list", short_help="What is known, and what is here.")
@plain_options
def list_(as_json: bool) -> None:
    """Every model with a name, and what this machine has of it: ready, source (converted at first use) or missing."""
    from ..models import ModelStore

    stored = ModelStore().list()
    rows = [(item.name, item.kind, item.state, _size(item.size), item.licence) for item in stored]
    text = table(("name", "kind", "state", "size", "licence"), rows)
    answer({"models": [item.to_dict() for item in stored]}, text, as_json)


@models.command(short_help="Download models.")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--allow-unverified", is_flag=True, help="Take a file that no published sha256 vouches for, and pin it.")
@PRECISION
@plain_options
def pull(names: tuple[str, ...], allow_unverified: bool, precision: str | None, as_json: bool) -> int:
    """Download models that are not on this machine, and convert them; without a name the two that the main job needs.

    Address, licence, size and sha256 are told before a download starts. The path of the converted model is printed: the
    one that this machine runs best, or of --precision, which YuNet has as fp32 and fp16 alone. Where the packages for
    converting are not installed, it is the path of the file as it is published.
    """
    from ..catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
    from ..choice import AUTO
    from ..models import ModelStore

    store = ModelStore()
    known = {entry.name: entry for entry in store.known()}
    entries, failures = [], Failures()
    for name in names or (DEFAULT_DETECTOR, DEFAULT_EMBEDDER):
        try:
            if store.find(name) is None:
                _announce(known[name])
            path = str(store.pull(name, allow_unverified=allow_unverified))
            try:
                path = str(store.choose(name, precision=_for(known[name], precision)).path)
            except RuntimeMissingError as error:
                if precision not in (None, AUTO):
                    raise
                report("note", error)
        except GhostFaceError as error:
            entries.append({"name": name, **failures.report(error)})
            continue
        entries.append({"name": name, "path": path})
        if not as_json:
            say(path)
    if as_json:
        emit({"models": entries})
    return failures.exit_code


@models.command(short_help="Put a model of your own into the store.")
@click.argument("file")
@click.argument("name")
@plain_options
def add(file: str, name: str, as_json: bool) -> None:
    """Copy a model of your own into the store under NAME: an .onnx or .tflite with a model card, or a Keras .h5."""
    from ..models import ModelStore

    stored = ModelStore().add(file, name)
    answer(stored.to_dict(), one_line(f"{stored.name}: {stored.state}, {stored.path}"), as_json)


@models.command(short_help="Check models byte by byte.")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@plain_options
def verify(names: tuple[str, ...], as_json: bool) -> int:
    """Read models again and compare every byte with its hash; without a name all that are on this machine."""
    from ..models import ModelStore

    store = ModelStore()
    entries: list[dict[str, Any]] = []
    failures = Failures()
    for name in names or [item.name for item in store.list() if item.state != "missing"]:
        try:
            stored = store.verify(name)
        except GhostFaceError as error:
            entries.append({"name": name, **failures.report(error)})
            continue
        entries.append(stored.to_dict())
        if not as_json:
            say(one_line(f"{name}: as pinned, {stored.path}"))
    if as_json:
        emit({"models": entries})
    return failures.exit_code


@models.command()
@click.argument("name")
@plain_options
def remove(name: str, as_json: bool) -> None:
    """Remove what the store holds of a model."""
    from ..models import ModelStore

    removed = ModelStore().remove(name)
    text = f"removed {name}" if removed else f"nothing to remove: the store holds no file of {name}"
    answer({"removed": name if removed else None}, text, as_json)


@models.command(short_help="Where a model lies.")
@click.argument("name")
@RUNTIME
@PRECISION
@plain_options
def path(name: str, runtime: str | None, precision: str | None, as_json: bool) -> None:
    """Where the file lies that runs for NAME; a checkpoint is converted first."""
    from ..choice import AUTO
    from ..models import ModelStore

    found = str(ModelStore().choose(name, runtime=runtime, precision=precision or AUTO).path)
    answer({"name": name, "path": found}, found, as_json)


def _for(entry: KnownModel, precision: str | None) -> str:
    """The precision that was asked for, where the model has it without photos to calibrate on."""
    from ..choice import AUTO
    from ..thresholds import ALIKE

    return precision if precision is not None and (entry.kind == "embedder" or precision in ALIKE) else AUTO


def _announce(entry: KnownModel) -> None:
    report("source", entry.url or "none: added by the user")
    report("licence", entry.licence)
    report("size", "not known" if entry.size is None else _size(entry.size))
    report("sha256", entry.sha256 or "not known")
    if entry.note:
        report("note", entry.note)


def _size(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:.1f} MB"
