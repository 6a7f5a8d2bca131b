"""The verbs of the model store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import GhostFaceError
from .options import RUNTIME, plain_options, show_help
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
@plain_options
def pull(names: tuple[str, ...], allow_unverified: bool, as_json: bool) -> int:
    """Download models that are not on this machine; without a name the two that the main job needs.

    Address, licence, size and sha256 are told before a download starts. The file's path is printed.
    """
    from ..catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
    from ..models import ModelStore

    store = ModelStore()
    known = {entry.name: entry for entry in store.known()}
    entries, failures = [], Failures()
    for name in names or (DEFAULT_DETECTOR, DEFAULT_EMBEDDER):
        try:
            if store.find(name) is None:
                _announce(known[name])
            path = str(store.pull(name, allow_unverified=allow_unverified))
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
@plain_options
def path(name: str, runtime: str | None, as_json: bool) -> None:
    """Where the file lies that runs for NAME; a checkpoint is converted first."""
    from ..models import ModelStore
    from ..runtime import file_format

    found = str(ModelStore().resolve(name, format=file_format(runtime)))
    answer({"name": name, "path": found}, found, as_json)


def _announce(entry: KnownModel) -> None:
    report("source", entry.url or "none: added by the user")
    report("licence", entry.licence)
    report("size", "not known" if entry.size is None else _size(entry.size))
    report("sha256", entry.sha256 or "not known")
    if entry.note:
        report("note", entry.note)


def _size(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:.1f} MB"
