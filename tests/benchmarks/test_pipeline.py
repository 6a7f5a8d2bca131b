"""What is timed is what users run, and the figures are those of a clock that is known; how fast it is is not tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from ghostface_edge import engine as engine_module
from ghostface_edge.alignment import ARCFACE_TEMPLATE, align
from ghostface_edge.benchmarks import pipeline as pipeline_module
from ghostface_edge.benchmarks import samples as samples_module
from ghostface_edge.benchmarks.drawn_people import draw_people
from ghostface_edge.benchmarks.pipeline import Pipeline, measure_pipeline, random_gallery
from ghostface_edge.benchmarks.run_file import Row, Run
from ghostface_edge.benchmarks.shots import CameraShots, PhotoShots, source
from ghostface_edge.embedding import Embedder
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import EvaluationError, InferenceError, OptionError
from ghostface_edge.gallery import Gallery
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session
from ghostface_edge.types import Box, Detection, Face, ModelIdentity, Template

OPEN, DETECT, ALIGN, EMBED, MATCH, EXTRA = 1.0, 8.0, 0.25, 2.0, 0.5, 0.125
"""Seconds of each part; of one face from ``ALIGN`` on. ``EXTRA`` is what the engine adds."""


class Clock:
    """Stands still until a part says how long it took."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class WidthDetector:
    """As many faces as the picture is hundreds of pixels wide, minus one, the smallest first."""

    name = "fixed"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seen: list[str] = []
        self.interrupt_at = -1

    def detect(self, image: Image) -> Sequence[Detection]:
        self.clock.now += DETECT
        if len(self.seen) == self.interrupt_at:
            raise KeyboardInterrupt
        self.seen.append(image.source)
        sizes = [40 + 20 * number for number in range(image.width // 100 - 1)]
        return [Detection(Box(0, 0, size, size), 0.9, ARCFACE_TEMPLATE * (size / 112)) for size in sizes]


Made = tuple[FaceEngine, WidthDetector, Clock]


@pytest.fixture
def made(tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """An engine all of whose parts tell the clock how long they took."""
    clock = Clock()
    detector = WidthDetector(clock)
    engine = FaceEngine(tiny_embedder, detector)
    opened, embedded, searched, faces = engine.open, engine.embedder.embed, Gallery.search, engine.faces

    def slow(function: Callable[..., Any], seconds: Callable[..., float]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            clock.now += seconds(*arguments)
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(engine, "open", slow(opened, lambda photo: 0.0 if isinstance(photo, Image) else OPEN))
    monkeypatch.setattr(engine.embedder, "embed", slow(embedded, lambda crops: EMBED * len(crops)))
    monkeypatch.setattr(engine, "faces", slow(faces, lambda photo: EXTRA))
    monkeypatch.setattr(Gallery, "search", slow(searched, lambda gallery, face: MATCH))
    for module in (engine_module, pipeline_module):
        monkeypatch.setattr(module, "align", slow(align, lambda image, landmarks: ALIGN))
    monkeypatch.setattr(samples_module, "WARM_AT_MOST", 0)  # it never gets warm, and gives up at once
    return engine, detector, clock


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Three photos: without a face, with one and with three."""
    paths = []
    for width in (100, 200, 400):
        paths.append(str(tmp_path / f"{width}.png"))
        noise = np.random.default_rng(width).integers(0, 256, (150, width, 3), dtype=np.uint8)
        PILImage.fromarray(noise).save(paths[-1])
    return paths


def _rows(run: Run) -> dict[str, Row]:
    return {row.subject.stage: row for row in run.rows}


def _median(row: Row) -> float:
    assert row.summary is not None
    return row.summary.p50 / 1e3


def test_the_figures_of_a_known_clock(made: Made, photos: list[str], tmp_path: Path) -> None:
    engine, _, clock = made
    run = measure_pipeline(
        engine, PhotoShots(photos), templates=7, seconds=1, least=7, clock=clock, file_sha256="f" * 64
    )
    rows = _rows(run)
    assert list(rows) == [
        *("decode", "detect", "align", "embed", "match", "FaceEngine.faces", "whole"),
        *("align per face", "embed per face", "match per face", "whole per face"),
    ]
    # 7 pictures at least, in whole rounds of three: 9, of which 3 have no face.
    counts = {stage: row.summary.count for stage, row in rows.items() if row.summary}
    assert {stage: count for stage, count in counts.items() if count == 9} == dict.fromkeys(
        ("decode", "detect", "FaceEngine.faces", "whole"), 9
    )
    assert set(counts.values()) == {9, 6}
    assert (_median(rows["decode"]), _median(rows["detect"])) == pytest.approx((OPEN, DETECT))
    # Of one face and of three: the median is that of two.
    assert [_median(rows[name]) for name in ("align", "embed", "match")] == pytest.approx(
        [2 * ALIGN, 2 * EMBED, 2 * MATCH]
    )
    per_face = [_median(rows[f"{name} per face"]) for name in ("align", "embed", "match")]
    assert per_face == pytest.approx([ALIGN, EMBED, MATCH])
    wholes = [OPEN + DETECT + EXTRA + faces * (ALIGN + EMBED + MATCH) for faces in (0, 1, 3)]
    assert _median(rows["whole"]) == pytest.approx(wholes[1])
    assert _median(rows["whole per face"]) == pytest.approx((wholes[1] + wholes[2] / 3) / 2)
    assert _median(rows["FaceEngine.faces"]) == pytest.approx(wholes[1] - MATCH)
    assert rows["whole"].figures["frames_per_second"] == pytest.approx(3 / sum(wholes))
    assert rows["whole"].figures["faces"] == {"0": 1, "1": 1, "3": 1}
    steps = sum(wholes) - 3 * EXTRA
    shares = [3 * OPEN, 3 * DETECT, 4 * ALIGN, 4 * EMBED, 4 * MATCH]
    for name, seconds in zip(("decode", "detect", "align", "embed", "match"), shares):
        assert rows[name].figures["share"] == pytest.approx(seconds / steps)
    added = rows["FaceEngine.faces"].figures
    assert [added[name] for name in ("added_ms", "added_low_ms", "added_high_ms")] == pytest.approx([125] * 3)
    assert added["steps_ms"] == pytest.approx(1e3 * (OPEN + DETECT + ALIGN + EMBED))
    assert run.settings["faces"] == 4
    assert {row.subject.name for row in run.rows} == {"linear with fixed"}
    assert {row.subject.file_sha256 for row in run.rows} == {"f" * 64}
    assert all({"quick", "warming"} <= set(row.summary.flags) for row in run.rows if row.summary)
    run.write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == run


def test_pictures_that_others_disturbed_do_not_tell_what_the_engine_adds(
    made: Made, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third call of the engine lets another program in, which takes a minute."""
    engine, _, clock = made
    faces, calls, taken = engine.faces, [], []

    def disturbed(photo: Any) -> Any:
        calls.append(photo)
        if len(calls) % 3 == 0:
            clock.now += 60
            taken.append(photo)
        return faces(photo)

    monkeypatch.setattr(engine, "faces", disturbed)
    monkeypatch.setattr(pipeline_module, "preemptions", lambda: len(taken))
    run = measure_pipeline(engine, PhotoShots(photos[1:2]), templates=1, seconds=0, least=30, clock=clock)
    row = _rows(run)["FaceEngine.faces"]
    assert row.summary is not None
    assert row.summary.max > 60_000  # which is in the samples all the same
    assert "busy" in row.summary.flags
    assert row.figures["pairs"] == 20
    assert [row.figures[name] for name in ("added_ms", "added_low_ms", "added_high_ms")] == pytest.approx([125] * 3)
    # Of fewer than ten such pictures all count.
    run = measure_pipeline(engine, PhotoShots(photos[1:2]), templates=1, seconds=0, least=12, clock=clock)
    assert _rows(run)["FaceEngine.faces"].figures["pairs"] == 12


def test_which_way_is_first_changes_and_all_pictures_are_seen_equally_often(made: Made, photos: list[str]) -> None:
    engine, detector, clock = made
    measure_pipeline(engine, PhotoShots(photos), templates=1, seconds=0, least=4, clock=clock)
    assert Counter(detector.seen) == dict.fromkeys(photos, 4)  # two rounds, each picture both ways


@pytest.mark.parametrize("turn", [0, 1])
def test_turns(made: Made, photos: list[str], turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _, clock = made
    order: list[str] = []
    with random_gallery(engine.model, 16, 1) as gallery:
        pipeline = Pipeline(engine, gallery, "decode", clock)
        for name in ("step_by_step", "at_once"):
            monkeypatch.setattr(pipeline, name, lambda shot, name=name: order.append(name))
        pipeline_module._both(pipeline, photos[0], turn)
    assert order == [["step_by_step", "at_once"], ["at_once", "step_by_step"]][turn]


def test_no_face_at_all(made: Made, photos: list[str]) -> None:
    engine, _, clock = made
    run = measure_pipeline(engine, PhotoShots(photos[:1]), templates=1, seconds=0, least=1, clock=clock)
    assert list(_rows(run)) == ["decode", "detect", "FaceEngine.faces", "whole"]
    assert _rows(run)["whole"].figures["faces"] == {"0": 1}


def test_a_photo_that_is_none_is_left_out_and_named(made: Made, photos: list[str], tmp_path: Path) -> None:
    engine, _, clock = made
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    shots = PhotoShots([photos[0], broken, tmp_path / "missing.jpg", photos[1]])
    run = measure_pipeline(engine, shots, templates=1, seconds=0, least=1, clock=clock)
    assert run.settings["pictures"] == 2
    assert list(run.settings["left_out"]) == [str(broken), str(tmp_path / "missing.jpg")]
    with pytest.raises(EvaluationError, match=r"none of 1 photo can be opened: .*broken\.jpg"):
        measure_pipeline(engine, PhotoShots([broken]), templates=1, seconds=0, least=1, clock=clock)


def test_ctrl_c_keeps_the_whole_rounds(made: Made, photos: list[str]) -> None:
    engine, detector, clock = made
    detector.interrupt_at = 2 * 3 * 2 + 1  # in the third round
    run = measure_pipeline(engine, PhotoShots(photos), templates=1, seconds=1e9, least=1, clock=clock)
    rows = _rows(run)
    assert not run.complete
    assert rows["decode"].summary is not None
    assert rows["decode"].summary.count == 6
    assert all("incomplete" in row.summary.flags for row in run.rows if row.summary)


def test_ctrl_c_in_the_first_round_keeps_what_there_is(made: Made, photos: list[str]) -> None:
    engine, detector, clock = made
    detector.interrupt_at = 5
    run = measure_pipeline(engine, PhotoShots(photos), templates=1, seconds=1e9, least=1, clock=clock)
    assert _rows(run)["whole"].summary is not None
    assert _rows(run)["whole"].figures["faces"] == {"0": 1, "1": 1}
    assert not run.complete


def test_ctrl_c_before_the_first_picture(made: Made, photos: list[str]) -> None:
    engine, detector, clock = made
    detector.interrupt_at = 1
    with pytest.raises(KeyboardInterrupt):
        measure_pipeline(engine, PhotoShots(photos), templates=1, seconds=1e9, least=1, clock=clock)


@pytest.mark.parametrize("options", [{"templates": 0}, {"least": 0}, {"seconds": -1}, {"seconds": float("nan")}])
def test_senseless_numbers(made: Made, photos: list[str], options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(options))}="):
        measure_pipeline(made[0], PhotoShots(photos), clock=made[2], **options)


def test_an_engine_that_fails(made: Made, photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(crops: Any) -> Any:
        raise InferenceError("the model gave NaN")

    monkeypatch.setattr(made[0].embedder, "embed", broken)
    with pytest.raises(InferenceError, match="NaN"):
        measure_pipeline(made[0], PhotoShots(photos), templates=1, seconds=0, least=1, clock=made[2])


def test_the_gallery_of_people_who_do_not_exist() -> None:
    model = ModelIdentity("some-model", "int8", "yunet")
    with random_gallery(model, 32, 50) as gallery:
        place = Path(gallery.path)
        assert len(gallery) == 50
        everybody = {person.name for person in gallery.people()}
        # The same numbers again, drawn as the docstring says.
        rng = np.random.default_rng(0)
        vectors = [rng.standard_normal(32).astype(np.float32) for _ in range(50)]
        best = gallery.search(Template(vectors[17] / np.linalg.norm(vectors[17]), model), top_k=50)
        assert (best[0].name, best[0].similarity) == ("person 0000017", pytest.approx(1, abs=1e-6))
        assert {match.name for match in best} == everybody
    assert not place.parent.exists()


# ----------------------------------------------------------------------------------------------------------------
# Real models


def _same(steps: Any, faces: Sequence[Face]) -> None:
    """Bit for bit: what is timed step by step is what the engine does."""
    assert len(faces) == len(steps.detections) == len(steps.embeddings)
    for detection, embedding, face in zip(steps.detections, steps.embeddings, faces):
        assert detection.box == face.box
        assert np.array_equal(detection.landmarks, face.landmarks)
        assert np.array_equal(embedding, face.embedding)


@pytest.mark.parametrize(("runtime", "flip"), [("onnx", True), ("litert", False)])
def test_the_steps_are_the_engines(shared: Path, real_models: ModelStore, runtime: str, flip: bool) -> None:
    pytest.importorskip({"onnx": "onnxruntime", "litert": "ai_edge_litert"}[runtime])
    engine = FaceEngine(store=real_models, runtime=runtime, threads=1, flip=flip)
    with random_gallery(engine.model, engine.card.embedding_size, 3) as gallery:
        pipeline = Pipeline(engine, gallery, "decode")
        # Several faces, one, and a photo that is larger than the detector's view.
        for name in ("selfie-many-people.jpg", "img14.jpg", "img67.jpg"):
            shot = str(shared / "photos" / name)
            steps, at_once = pipeline.step_by_step(shot), pipeline.at_once(shot)
            _same(steps, engine.faces(shot))
            _same(steps, at_once.faces)
            assert set(steps.laps) == {"decode", "detect", "align", "embed", "match"}
        crowd = np.ascontiguousarray(np.tile(draw_people()[..., ::-1], (4, 1, 1)))
        assert len(pipeline.step_by_step(crowd).embeddings) > 8  # more than a batch of the embedder
        for frame in (crowd, CameraShots(640, 480).shot(5)):
            _same(pipeline.step_by_step(frame), engine.faces(source(frame)))


def test_the_steps_of_the_main_face_are_the_engines(shared: Path, real_engine: FaceEngine, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    PILImage.new("RGB", (64, 48)).save(blank)
    with random_gallery(real_engine.model, real_engine.card.embedding_size, 3) as gallery:
        pipeline = Pipeline(real_engine, gallery, "decode", main=True)
        for name in ("selfie-many-people.jpg", "img14.jpg", "img67.jpg"):
            shot = str(shared / "photos" / name)
            steps, at_once = pipeline.step_by_step(shot), pipeline.at_once(shot)
            _same(steps, [real_engine.face(shot)])
            _same(steps, at_once.faces)
        assert pipeline.step_by_step(str(blank)).detections == pipeline.at_once(str(blank)).faces == ()


def test_the_main_face_of_a_round(made: Made, photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three faces one is aligned, embedded and searched for; the engine's call is the one for the main face."""
    engine, _, clock = made
    run = measure_pipeline(engine, PhotoShots(photos), templates=1, seconds=0, least=3, main=True, clock=clock)
    rows = _rows(run)
    assert "FaceEngine.faces" not in rows
    wholes = [OPEN + DETECT, *[OPEN + DETECT + ALIGN + EMBED + MATCH] * 2]
    assert _median(rows["FaceEngine.face"]) == pytest.approx(wholes[1] - MATCH)
    assert rows["whole"].figures["frames_per_second"] == pytest.approx(3 / sum(wholes))
    assert (run.settings["main"], run.settings["faces"]) == (True, 2)


def test_on_a_real_photo(real_engine: FaceEngine, shared: Path) -> None:
    run = measure_pipeline(real_engine, PhotoShots([shared / "photos" / "img14.jpg"]), templates=5, seconds=0, least=2)
    rows = _rows(run)
    assert (len(rows), run.complete, run.kind) == (11, True, "pipeline")
    assert _median(rows["whole"]) > _median(rows["FaceEngine.faces"]) > _median(rows["detect"]) > 0
    assert sum(row.figures.get("share", 0) for row in run.rows) == pytest.approx(1)
    assert rows["decode"].subject.model_id == real_engine.card.model_id
    assert rows["decode"].subject.name.endswith(" with yunet")


def test_an_embedder_of_ones_own(tiny_embedder: Path, photos: list[str], made: Made) -> None:
    """The subject says what ran, also where the engine was given an object."""
    engine = FaceEngine(Embedder(open_session(tiny_embedder, threads=2)), made[1])
    run = measure_pipeline(engine, PhotoShots(photos), templates=1, seconds=0, least=1, clock=made[2])
    assert {row.subject.threads for row in run.rows} == {2}
