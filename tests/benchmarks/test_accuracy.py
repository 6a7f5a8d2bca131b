"""Evaluations: a small set worked by hand, a slice of LFW against loops, and (slow) all of it at every precision."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge import FaceEngine
from ghostface_edge.alignment import ARCFACE_TEMPLATE
from ghostface_edge.benchmarks.accuracy import Evaluator
from ghostface_edge.benchmarks.metrics import Rate
from ghostface_edge.benchmarks.pairs import read_lfw_pairs
from ghostface_edge.benchmarks.photos import PhotoFolder
from ghostface_edge.benchmarks.results import Results
from ghostface_edge.benchmarks.system import System
from ghostface_edge.benchmarks.threshold_calibration import calibrated
from ghostface_edge.embedding import Embedder
from ghostface_edge.errors import EvaluationError, OptionError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session
from ghostface_edge.thresholds import measured_thresholds
from ghostface_edge.types import Box, Detection, Threshold

# Directions of the embeddings, in degrees. The cosine of two photos is that of the angle between them.
ANGLES = {
    "Ann": [0, 10, None],  # the third shows no face
    "Bo": [90, 100],
    "Cy": [180, 190],
    "Dee": [270, 330],
    "Eve": [46],
}
PAIRS = """\
2\t2
Ann\t1\t2
Ann\t1\t3
Ann\t1\tBo\t1
Ann\t3\tCy\t1
Bo\t1\t2
Dee\t1\t2
Cy\t1\tEve\t1
Cy\t2\tDee\t2
"""


class Whole:
    """Takes every photo for an aligned face, but the grey ones."""

    name = "whole"

    def detect(self, image: Image) -> tuple[Detection, ...]:
        if (image.pixels == 0).all():
            return ()
        return (Detection(Box(0, 0, 111, 111), 0.9, ARCFACE_TEMPLATE),)


def colours() -> NDArray[np.float32]:
    """(112 * 112 * 3, 2): the mean of red, and of green."""
    matrix = np.zeros((112 * 112, 3, 2), np.float32)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / (112 * 112)
    return matrix.reshape(-1, 2)


@pytest.fixture
def engine(make_linear: Callable[..., bytes], tmp_path: Path) -> Callable[..., FaceEngine]:
    """Makes an engine whose embedding of a photo of one colour is (red, green) around grey, turned by a matrix."""

    def make(turn: NDArray[np.float32] | None = None, **changes: Any) -> FaceEngine:
        matrix = colours() if turn is None else colours() @ turn
        path = tmp_path / f"colour-{len(list(tmp_path.glob('*.onnx')))}.onnx"
        path.write_bytes(make_linear(matrix, **changes))
        return FaceEngine(Embedder(open_session(path, threads=1)), Whole())

    return make


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    cv2 = pytest.importorskip("cv2")
    for person, angles in ANGLES.items():
        (tmp_path / person).mkdir()
        for number, angle in enumerate(angles, start=1):
            radians = math.radians(angle or 0)
            red, green = (round(127.5 + 100 * part) for part in (math.cos(radians), math.sin(radians)))
            pixels = np.full((112, 112, 3), (0, 0, 0) if angle is None else (128, green, red), np.uint8)
            (tmp_path / person / f"{person}_{number:04d}.jpg").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    (tmp_path / "pairs.txt").write_text(PAIRS, encoding="utf-8")
    return tmp_path


def evaluate(engines: list[FaceEngine], folder: Path, **options: Any) -> Results:
    return Evaluator(engines, PhotoFolder(folder), **options).pairs(read_lfw_pairs(folder / "pairs.txt"))


def test_a_small_set_by_hand(lfw: Path, engine: Callable[..., FaceEngine]) -> None:
    results = evaluate([engine()], lfw, worst=2)
    (found,) = results.evaluations
    assert results.comparisons == ()
    assert found.system.model.detector == "whole"
    assert (found.photos, found.people, found.computed) == (10, 5, 10)
    assert [failure.photo.path for failure in found.failures] == ["Ann/Ann_0003.jpg"]
    assert found.failed_pairs == 2

    # Fold 1 puts the threshold between cos 134 and cos 60. On fold 0, cos 10 is then right, Ann 3 is missed, Ann and Bo
    # (cos 90 = 0) are taken for one, and the photo without a face is rightly another person than Cy.
    # Fold 0 puts it between 0 and cos 10, which answers all of fold 1.
    assert found.accuracy is not None
    assert found.accuracy.thresholds == pytest.approx(
        [(math.cos(math.radians(134)) + 0.5) / 2, math.cos(math.radians(10)) / 2], abs=0.01
    )
    assert found.accuracy.folds == (Rate(2, 4), Rate(4, 4))
    assert found.accuracy.right.tolist() == [True, False, False, True, True, True, True, True]
    assert (found.accuracy.accuracy, found.accuracy.std) == (0.75, 0.25)

    # Genuine -1, cos 60, cos 10, cos 10; impostor -1, cos 140, cos 134, 0: at any threshold between 0 and cos 60 one of
    # four genuine comparisons is missed, and FMR passes 1/4 just below.
    assert found.pairs is not None
    assert (found.pairs.genuine, found.pairs.impostor, found.pairs.points) == (4, 4, ())
    assert found.pairs.equal_error_rate == pytest.approx(0.25)
    # 13 of the 16 pairs of a genuine and an impostor comparison are in the right order; -1 against -1 counts half.
    assert found.pairs.auc == pytest.approx((4 + 4 + 4 + 0.5) / 16)

    # Nine faces make 36 comparisons, 4 of them genuine; Ann's third photo adds two that are missed. Three of 32
    # impostors may match: those at 30, 36 and 40 degrees, and not the one at 44.
    assert found.all_pairs is not None
    (point,) = found.all_pairs.points
    assert math.cos(math.radians(44)) - 0.01 < point.threshold < math.cos(math.radians(40))
    assert (point.false_matches, point.false_non_matches) == (Rate(3, 32), Rate(3, 6))
    assert found.all_pairs.equal_error_rate == pytest.approx(1 / 3)
    (threshold,) = calibrated(found.all_pairs, "whole", "ten photos")
    assert threshold.similarity == point.threshold
    assert (threshold.fmr, threshold.fnmr, threshold.impostor_pairs, threshold.people) == (0.1, 0.5, 32, 5)


def test_the_worst_errors_are_found(lfw: Path, engine: Callable[..., FaceEngine]) -> None:
    """Among all comparisons: who is at 30 and 36 degrees from another, and Dee, who is 60 from herself."""
    photos = read_lfw_pairs(lfw / "pairs.txt").photos
    (found,) = Evaluator([engine()], PhotoFolder(lfw), worst=2).people(photos, "all pairs").evaluations
    named = [(error.kind, error.a.path[:-4], error.b.path[:-4]) for error in found.worst]
    assert named == [
        ("false match", "Ann/Ann_0001", "Dee/Dee_0002"),
        ("false match", "Ann/Ann_0002", "Eve/Eve_0001"),
        ("false non-match", "Dee/Dee_0001", "Dee/Dee_0002"),
    ]
    assert found.worst[0].similarity == pytest.approx(math.cos(math.radians(30)), abs=0.01)


def test_a_second_system_beside_the_first(lfw: Path, engine: Callable[..., FaceEngine]) -> None:
    """The second sees red alone, so that cosines are 1 or -1: right about fewer pairs, which McNemar counts."""
    blind = engine(np.array([[1, 0], [0, 0]], np.float32), model_id="blind-1", precision="int8")
    results = evaluate([engine(), blind], lfw)
    first, second = results.evaluations
    (comparison,) = results.comparisons
    assert comparison.system == second.system
    assert comparison.baseline == first.system
    assert first.accuracy is not None
    assert second.accuracy is not None
    before, after = first.accuracy.right, second.accuracy.right
    assert comparison.mcnemar is not None
    assert comparison.mcnemar.only_first == sum(a and not b for a, b in zip(before, after))
    assert comparison.mcnemar.only_second == sum(b and not a for a, b in zip(before, after))
    assert comparison.accuracy_difference == pytest.approx(second.accuracy.accuracy - first.accuracy.accuracy)
    text = results.to_text()
    assert "Beside linear float32, whole, onnxruntime" in text
    table = results.to_text(as_markdown=True).splitlines()
    assert sum(line.startswith("| linear int8, whole") for line in table) == 2


def test_how_alike_the_embeddings_of_one_model_are(lfw: Path, engine: Callable[..., FaceEngine]) -> None:
    """The second sees twice as much of green: what was at an angle is at the angle of twice its tangent."""
    stretched = engine(np.array([[1, 0], [0, 2]], np.float32), precision="int8")
    other = engine(np.array([[1, 0], [0, 2]], np.float32), model_id="other-1")
    same, foreign = evaluate([engine(), stretched, other], lfw).comparisons
    angles = [math.radians(angle) for row in ANGLES.values() for angle in row if angle is not None]
    moved = [math.cos(math.atan2(2 * math.sin(angle), math.cos(angle)) - angle) for angle in angles]
    assert same.cosine is not None
    assert same.cosine.photos == len(angles)
    assert same.cosine.mean == pytest.approx(sum(moved) / len(moved), abs=0.002)
    assert same.cosine.least == pytest.approx(min(moved), abs=0.002)
    assert same.to_dict()["cosine"]["least"] == same.cosine.least
    assert foreign.cosine is None, "of another model: not to be compared"


def test_the_report_of_one_system(lfw: Path, engine: Callable[..., FaceEngine]) -> None:
    results = evaluate([engine()], lfw)
    text = results.to_text()
    for line in (
        "pairs.txt, 2 sets of 4 pairs: 10 photos of 5 people",
        "failed    1 photos (2 pairs): Ann/Ann_0003.jpg",
        "Accuracy over 8 pairs in 2 folds: 75.00 % ± 25.00 (standard error 25.00; 95 %: ",
        "The protocol's pairs: 4 genuine, 4 impostor, 5 people: EER 25.00 % (95 %: ",
        "Too few impostor comparisons to state an error at any false-match rate (rule of three).",
        "All pairs: 6 genuine, 32 impostor, 5 people: EER 33.33 % (95 %: ",
    ):
        assert line in text
    values = json.loads(json.dumps(results.to_dict(), allow_nan=False))
    (evaluation,) = values["evaluations"]
    assert [failure["photo"] for failure in evaluation["failures"]] == ["Ann/Ann_0003.jpg"]
    assert evaluation["accuracy"]["accuracy"] == 0.75
    assert evaluation["all_pairs"]["points"][0]["tar"]["count"] == 3
    assert evaluation["pairs"]["points"] == []
    assert values["comparisons"] == []


def test_failures_are_in_no_list_of_pairs_where_there_is_none(lfw: Path, engine: Callable[..., FaceEngine]) -> None:
    photos = read_lfw_pairs(lfw / "pairs.txt").photos
    one = Evaluator([engine()], PhotoFolder(lfw)).people(photos, "all pairs").to_text()
    assert "failed    1 photos: Ann/Ann_0003.jpg" in one
    blind = engine(np.array([[1, 0], [0, 0]], np.float32), model_id="blind-1", precision="int8")
    two = Evaluator([engine(), blind], PhotoFolder(lfw)).people(photos, "all pairs").to_text()
    assert "EER and TAR are counted over all pairs: 6 genuine, 32 impostor comparisons." in two
    assert "33.33" in two
    assert "±" not in two
    assert "McNemar" not in two


def test_copies_under_many_names_allow_no_threshold(lfw: Path, engine: Callable[..., FaceEngine]) -> None:
    photo = (lfw / "Eve" / "Eve_0001.jpg").read_bytes()
    for path in lfw.glob("*/*.jpg"):
        path.write_bytes(photo)
    (found,) = evaluate([engine()], lfw).evaluations
    assert found.accuracy is not None
    assert found.accuracy.accuracy == 0.5
    assert found.all_pairs is not None
    with pytest.raises(EvaluationError, match=r"no threshold below 1 reaches an FMR of 0\.1"):
        calibrated(found.all_pairs, "whole", "copies")


def test_no_system(lfw: Path) -> None:
    with pytest.raises(OptionError, match="no system"):
        evaluate([], lfw)


# ---------------------------------------------------------------------------------------------------------------
# The real one


def test_a_slice_of_lfw(shared: Path, real_store: ModelStore, tmp_path: Path) -> None:
    lines = (shared / "lfw" / "pairs.txt").read_text(encoding="utf-8").splitlines()[1:]
    chosen = lines[:15] + lines[300:315] + lines[600:615] + lines[900:915]
    (tmp_path / "pairs.txt").write_text("\n".join(["2\t15", *chosen]) + "\n", encoding="utf-8")
    pairs = read_lfw_pairs(tmp_path / "pairs.txt")
    folder = shared / "lfw" / "images"
    (found,) = Evaluator([System()], PhotoFolder(folder)).pairs(pairs).evaluations

    engine = FaceEngine(store=real_store, threads=1)
    vectors = [engine.face(folder / photo.path).embedding.tolist() for photo in pairs.photos]
    genuine, impostor = [], []
    for one, two, same in zip(pairs.a, pairs.b, pairs.same):
        a, b = vectors[one], vectors[two]
        cosine = sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
        (genuine if same else impostor).append(cosine)
    assert len(genuine) == len(impostor) == 30
    # 30 impostors support one rate: three of them may match, and the fourth lies just below the threshold.
    assert found.pairs is not None
    (point,) = found.pairs.points
    assert point.threshold == math.floor(sorted(impostor)[-4] * 1e6 + 1) / 1e6
    assert point.true_matches.count == sum(value >= point.threshold for value in genuine)
    assert found.system.model == engine.model
    assert found.failures == ()
    # Nearly every pair of this network is right: at most one in twenty may be wrong on so few.
    assert found.accuracy is not None
    assert found.accuracy.accuracy >= 0.95


@pytest.mark.slow
def test_all_of_lfw(shared: Path, real_store: ModelStore) -> None:
    """Every precision of both runtimes is near the reference figure, and float32 has the thresholds that we ship."""
    for package in ("onnxruntime", "ai_edge_litert"):
        pytest.importorskip(package)
    systems = [System(runtime="onnx", precision=name) for name in ("float32", "float16", "int8")]
    systems += [
        System(runtime="litert", precision=name) for name in ("float32", "float16", "dynamic", "int8", "int16x8")
    ]
    systems.append(System(runtime="litert", detector="yunet-fast"))
    pairs = read_lfw_pairs(shared / "lfw" / "pairs.txt")
    evaluator = Evaluator(systems, PhotoFolder(shared / "lfw" / "images"), jobs=len(os.sched_getaffinity(0)))
    results = evaluator.pairs(pairs)
    assert len(results.comparisons) == 8
    for evaluation in results.evaluations:
        assert evaluation.failures == ()
        assert evaluation.accuracy is not None
        least = 0.981 if evaluation.system.model.detector == "yunet-fast" else 0.984
        assert evaluation.accuracy.accuracy >= least, evaluation.system.label
        shipped: dict[float, Threshold] = {
            entry.fmr: entry
            for entry in measured_thresholds(evaluation.system.source_sha256, evaluation.system.model.precision)
            if entry.detector == evaluation.system.model.detector
        }
        # The thresholds of int8 were measured on LiteRT, whose kernels round in another way than ONNX Runtime's.
        onnx_int8 = (evaluation.system.runtime[:4], evaluation.system.model.precision) == ("onnx", "int8")
        assert evaluation.all_pairs is not None
        for entry in calibrated(evaluation.all_pairs, evaluation.system.model.detector, "LFW"):
            if entry.fmr in shipped:
                assert entry.similarity == pytest.approx(shipped[entry.fmr].similarity, abs=2e-3)
                assert entry.fnmr == pytest.approx(shipped[entry.fmr].fnmr, abs=5e-3 if onnx_int8 else 2e-3)
