"""Puts the models into the app: YuNet and embedders as ``.tflite``, from this machine's store or from files.

::

    python android_demo/models.py                                 # the default embedder in float16
    python android_demo/models.py --model NAME --model FILE.tflite  # others; the app's settings choose among them

Nothing is downloaded (``ghostface-edge models pull`` does that), and git ignores the folder.
"""

from __future__ import annotations

from pathlib import Path

import click

from ghostface_edge.catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER, require_safe_name
from ghostface_edge.errors import GhostFaceError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime.opening import read_model_card

FOLDER = Path(__file__).resolve().parent / "app" / "src" / "main" / "assets" / "models"


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option(
    "--model",
    "models",
    multiple=True,
    default=[DEFAULT_EMBEDDER],
    show_default=True,
    metavar="NAME|FILE",
    help="A known embedder, a checkpoint, or a .tflite file with a model card; more than once for several.",
)
@click.option(
    "--precision",
    default="float16",
    show_default=True,
    help="Of embedders that are converted here. Phones compute in float16 where their CPU can: twice as fast.",
)
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, help="By default the assets of the app.")
def main(models: tuple[str, ...], precision: str, folder: Path) -> None:
    """Fill the folder with these models, and with nothing else."""
    files: dict[str, bytes] = {}
    try:
        for model in models:
            _take(files, model, "embedder", precision)
        # Landmarks decide the accuracy, and the thresholds in the cards were measured on those of the float32 file.
        _take(files, DEFAULT_DETECTOR, "detector", "float32")
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.tflite"):
            old.unlink()
        for name, data in files.items():
            (folder / name).write_bytes(data)
            click.echo(f"{folder / name}: {len(data):,} bytes")
    except (GhostFaceError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _take(files: dict[str, bytes], model: str, kind: str, precision: str) -> None:
    """Add a model, by its name in the app.

    Raises:
        GhostFaceError: It is not there, cannot be converted, is damaged, or its card has a senseless name.
        click.ClickException: It is of the wrong format or kind, or there is one of that name already.
    """
    path = ModelStore().resolve(model, format="tflite", precision=precision)
    if path.suffix.lower() != ".tflite":
        raise click.ClickException(f"{model} is no .tflite file, which is what the app runs: convert its source")
    data = path.read_bytes()
    card = read_model_card(data, model)
    if card.kind != kind:
        raise click.ClickException(f"{model} is a {card.kind}, not an {kind}")
    require_safe_name(card.name)
    name = f"{card.name}-{card.precision}.tflite"
    if name in files:
        raise click.ClickException(f"{model}: there is a {name} already; name each model once")
    files[name] = data
    click.echo(f"{card.name}, {card.precision}: {card.licence}", err=True)
    if kind == "embedder" and not card.thresholds:
        click.echo(f"{card.name} holds no threshold, so the app cannot decide: ghostface-edge calibrate", err=True)


if __name__ == "__main__":
    main()
