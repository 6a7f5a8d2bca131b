"""What is known about a source, and who has to say the rest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ghostface_edge.catalog import KNOWN_MODELS
from ghostface_edge.converters import convert
from ghostface_edge.converters.trained_model import SourceOptions, read_trained_model
from ghostface_edge.errors import OptionError

pytest.importorskip("h5py")
pytest.importorskip("onnx")


def test_a_known_checkpoint_has_its_licence(shared: Path) -> None:
    path = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    model = read_trained_model(path, SourceOptions())
    (entry,) = [entry for entry in KNOWN_MODELS if entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()]
    assert model.card.licence == entry.licence
    assert model.card.name == path.stem
    assert (model.card.architecture, model.card.embedding_size) == ("ghostfacenet-v1-0.5-2", 512)
    assert read_trained_model(path, SourceOptions(), licence="mine", name="me").card.licence == "mine"


def test_an_unknown_checkpoint_has_none(small_checkpoint: Path) -> None:
    card = read_trained_model(small_checkpoint, SourceOptions()).card
    assert card.licence == "unknown: ask the source of the checkpoint"
    assert card.thresholds == ()


def test_pre_processing_can_be_stated(small_checkpoint: Path) -> None:
    options = SourceOptions(mean=0.0, scale=1 / 255, colour_order="BGR")
    picture = read_trained_model(small_checkpoint, options).card.input
    assert (picture.mean, picture.scale, picture.colour_order) == (0.0, 1 / 255, "BGR")
    plain = read_trained_model(small_checkpoint, SourceOptions()).card.input
    assert (plain.mean, plain.scale, plain.colour_order) == (127.5, 1 / 128, "RGB")


@pytest.mark.parametrize(
    "values",
    [
        {"mean": float("nan")},
        {"mean": 1e10},
        {"mean": "127.5"},
        {"scale": 0},
        {"scale": float("inf")},
        {"colour_order": "rgb"},
    ],
    ids=str,
)
def test_options_that_make_no_sense(values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(OptionError, match=f"{name}="):
        SourceOptions(**values)


def test_what_a_source_settles_itself(small_checkpoint: Path, yunet_like: ModuleType, tmp_path: Path) -> None:
    detector = tmp_path / "yunet.onnx"
    detector.write_bytes(yunet_like.yunet(channels=3).SerializeToString())
    for path, options in (
        (small_checkpoint, SourceOptions(size=112)),
        (detector, SourceOptions(mean=0.0)),
        (detector, SourceOptions(colour_order="BGR")),
        (detector, SourceOptions(size=640)),
    ):
        with pytest.raises(OptionError, match=rf"does not concern .*{path.name}, which settles it itself"):
            read_trained_model(path, options)


def test_our_own_onnx_file_is_a_source_again(small_checkpoint: Path, tmp_path: Path) -> None:
    """Its card says all that the checkpoint said, and where it came from first."""
    made = convert(small_checkpoint, tmp_path, licence="MIT", name="mine", mean=100.0)
    model = read_trained_model(made.path, SourceOptions())
    assert model.card == made.card
    again = read_trained_model(made.path, SourceOptions(mean=100.0), name="other")
    assert (again.card.name, again.card.licence) == ("other", "MIT")
    with pytest.raises(OptionError, match=r"mean=127\.5 contradicts the card in the file, which says 100\.0"):
        read_trained_model(made.path, SourceOptions(mean=127.5))
