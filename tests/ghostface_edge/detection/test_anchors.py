"""Decoding against a transcription with loops, suppression against brute force, blending by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge.detection.anchors import Anchors, decode, joined

FloatArray = NDArray[np.float32]


def anchors(scores: list[float], boxes: list[list[float]], landmarks: FloatArray | None = None) -> Anchors:
    if landmarks is None:
        landmarks = np.zeros((len(scores), 5, 2), np.float32)
    return Anchors(np.float32(scores), np.float32(boxes).reshape(-1, 4), np.float32(landmarks))


def random_boxes(rng: np.random.Generator, count: int) -> list[list[float]]:
    corner = rng.uniform(0, 100, (count, 2))
    return np.hstack([corner, corner + rng.uniform(5, 60, (count, 2))]).tolist()


def iou(a: list[float], b: list[float]) -> float:
    """Intersection over union, written out."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


# ----------------------------------------------------------------------------------------------------------------
# decode


def decoded_with_loops(outputs: list[FloatArray], least: float) -> list[tuple[float, list[float], list[float]]]:
    """``FaceDetectorYNImpl::postProcess`` of OpenCV 4.8, line by line, plus the sigmoid that its network has inside."""
    faces = []
    for stride, output in zip((8, 16, 32), outputs):
        rows, cols, _ = output.shape
        for r in range(rows):
            for c in range(cols):
                value = [float(number) for number in output[r, c]]
                cls_score = 1 / (1 + math.exp(-value[0]))
                obj_score = 1 / (1 + math.exp(-value[1]))
                score = math.sqrt(cls_score * obj_score)
                if score < least:
                    continue
                cx = (c + value[2]) * stride
                cy = (r + value[3]) * stride
                w = math.exp(value[4]) * stride
                h = math.exp(value[5]) * stride
                x1 = cx - w / 2
                y1 = cy - h / 2
                points = []
                for n in range(5):
                    points.append((value[6 + 2 * n] + c) * stride)
                    points.append((value[6 + 2 * n + 1] + r) * stride)
                faces.append((score, [x1, y1, x1 + w, y1 + h], points))
    return faces


@pytest.mark.parametrize("least", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_decode_is_opencvs_formula(least: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    outputs = [rng.normal(0, 2, (256 // stride, 160 // stride, 16)).astype(np.float32) for stride in (8, 16, 32)]
    found, expected = decode(outputs, least=least), decoded_with_loops(outputs, least)
    assert len(expected) > 5
    assert len(found.scores) == len(expected)
    np.testing.assert_allclose(found.scores, [score for score, _, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(found.boxes, [box for _, box, _ in expected], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(
        found.landmarks.reshape(-1, 10), [points for _, _, points in expected], rtol=1e-5, atol=1e-3
    )
    assert {found.scores.dtype, found.boxes.dtype, found.landmarks.dtype} == {np.dtype(np.float32)}


def test_extreme_outputs_are_decoded_without_a_warning() -> None:
    outputs = [
        np.full((32 // stride, 32 // stride, 16), value, np.float32)
        for stride, value in ((8, -1e5), (16, 1e5), (32, 0))
    ]
    found = decode(outputs, least=0.3)
    assert found.scores.tolist() == [1, 1, 1, 1, 0.5]
    assert np.isfinite(found.boxes).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e6, -1e6])
def test_one_absurd_number_anywhere(value: float) -> None:
    outputs = [np.full((2, 3, 16), -9, np.float32) for _ in range(3)]
    outputs[1][1, 2, 15] = value
    with pytest.raises(ValueError, match="NaN, infinity or numbers beyond any photo"):
        decode(outputs, least=0.3)


def test_nothing_reaches_the_floor() -> None:
    found = decode([np.full((2, 2, 16), -9, np.float32)] * 3, least=0.3)
    assert (found.scores.shape, found.boxes.shape, found.landmarks.shape) == ((0,), (0, 4), (0, 5, 2))
    assert found.best(least=0.3, overlap=0.3) == []
    assert found.detections() == ()


def test_the_floor_belongs_to_what_is_kept() -> None:
    grid = np.zeros((1, 1, 16), np.float32)  # both probabilities are 1/2, and so is their geometric mean
    assert len(decode([grid], least=0.5).scores) == 1
    assert len(decode([grid], least=0.5001).scores) == 0


def test_a_sure_and_an_unsure_probability() -> None:
    grid = np.zeros((1, 1, 16), np.float32)
    grid[..., 0], grid[..., 1] = 30, math.log(0.25 / 0.75)  # 1 and 1/4: the geometric mean is 1/2
    assert decode([grid], least=0.49).scores.tolist() == pytest.approx([0.5], abs=1e-6)
    assert len(decode([grid], least=0.51).scores) == 0


# ----------------------------------------------------------------------------------------------------------------
# Suppression


def suppressed_by_brute_force(scores: list[float], boxes: list[list[float]], least: float, overlap: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda index: -scores[index]):
        if scores[index] >= least and all(iou(boxes[index], boxes[other]) <= overlap for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.7, 1.0])
def test_suppression_is_that_of_brute_force(overlap: float) -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        count = int(rng.integers(0, 40))
        scores, boxes = rng.uniform(0, 1, count).astype(np.float32).tolist(), random_boxes(rng, count)
        found = anchors(scores, boxes).best(least=0.4, overlap=overlap)
        assert found == suppressed_by_brute_force(scores, boxes, 0.4, overlap)


def test_equal_scores_keep_their_order() -> None:
    apart = [[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]]
    assert anchors([0.8, 0.9, 0.9], apart).best(least=0.5, overlap=0.3) == [1, 2, 0]
    assert anchors([0.9, 0.9], [[0, 0, 9, 9]] * 2).best(least=0.5, overlap=0.3) == [0]


def test_overlaps_are_intersection_over_union() -> None:
    boxes = random_boxes(np.random.default_rng(5), 30)
    found = anchors([0.9] * 30, boxes)
    for index in range(30):
        expected = [iou(boxes[index], other) for other in boxes]
        np.testing.assert_allclose(found.overlaps(index), expected, rtol=0, atol=1e-5)


def test_empty_boxes_overlap_nothing() -> None:
    assert anchors([1, 1], [[3, 3, 3, 3], [3, 3, 3, 3]]).overlaps(0).tolist() == [0, 0]


# ----------------------------------------------------------------------------------------------------------------
# Blending


def test_blending_by_hand() -> None:
    boxes = [
        [0, 0, 10, 10],
        [0, 0, 10, 5],  # half of the first: IoU 0.5, the same face
        [0, 0, 10, 4],  # IoU 0.4, which is not above 0.4: another
        [2, 0, 12, 10],  # 80 of 120: the same face
        [50, 50, 60, 60],
    ]
    scores = [0.9, 0.6, 1.0, 0.5, 1.0]
    landmarks = np.stack([np.full((5, 2), value) + np.arange(10).reshape(5, 2) for value in (0.0, 10, 1000, 40, 1000)])
    # Scores above 0.3 times overlaps above 0.4: 0.6 * 0.6 = 27/75, 0.3 * 0.1 = 2.25/75, 0, 0.2 * (2/3 - 0.4) = 4/75.
    mean = (27 * 0 + 2.25 * 10 + 4 * 40) / (27 + 2.25 + 4)
    blended = anchors(scores, boxes, landmarks).blended(0)
    np.testing.assert_allclose(blended, mean + np.arange(10).reshape(5, 2), rtol=1e-5)


@pytest.mark.parametrize(("scores", "heights"), [((0.3, 0.3001), (8, 8)), ((0.9, 0.9), (4, 4.001))])
def test_no_anchor_comes_into_a_blend_with_a_jump(scores: tuple[float, float], heights: tuple[float, float]) -> None:
    landmarks = np.stack([np.zeros((5, 2)), np.full((5, 2), 100)])
    below, above = (
        anchors([0.8, score], [[0, 0, 10, 10], [0, 0, 10, height]], landmarks).blended(0)
        for score, height in zip(scores, heights)
    )
    assert below.max() < 1e-3
    assert 0 < above.max() < 0.03


def test_an_anchor_alone_is_its_own_blend() -> None:
    landmarks = np.random.default_rng(6).uniform(0, 99, (2, 5, 2)).astype(np.float32)
    found = anchors([0.4, 0.9], [[0, 0, 9, 9], [50, 0, 59, 9]], landmarks)
    np.testing.assert_array_equal(found.blended(0), landmarks[0])


# ----------------------------------------------------------------------------------------------------------------
# Coordinates


def test_a_box_without_area_is_its_own_blend() -> None:
    landmarks = np.arange(20, dtype=np.float32).reshape(2, 5, 2)
    found = anchors([0.9, 0.8], [[10, 10, 10, 10], [0, 0, 50, 50]], landmarks)
    np.testing.assert_array_equal(found.blended(0), landmarks[0])


def test_rescaling_keeps_the_edges_of_pixels() -> None:
    # Pixel 0 of a picture covers -0.5 to 0.5. Twice as wide, it covers pixels 0 and 1: its centre lies at 0.5.
    found = anchors([1], [[-0.5, -0.5, 9.5, 9.5]], np.array([[[0, 0], [9, 9], [4, 4], [1, 2], [3, 0]]]))
    wider = found.rescaled((2, 3))
    assert wider.boxes.tolist() == [[-0.5, -0.5, 19.5, 29.5]]
    assert wider.landmarks.tolist() == [[[0.5, 1], [18.5, 28], [8.5, 13], [2.5, 7], [6.5, 1]]]
    assert wider.scores.tolist() == [1]


def test_rescaling_there_and_back() -> None:
    rng = np.random.default_rng(7)
    found = anchors([1] * 9, random_boxes(rng, 9), rng.uniform(0, 100, (9, 5, 2)).astype(np.float32))
    back = found.rescaled((2.5, 7)).rescaled((1 / 2.5, 1 / 7))
    np.testing.assert_allclose(back.boxes, found.boxes, atol=1e-4)
    np.testing.assert_allclose(back.landmarks, found.landmarks, atol=1e-4)


def test_joined() -> None:
    a, b = anchors([0.5, 0.6], [[0, 0, 1, 1], [0, 0, 2, 2]]), anchors([0.7], [[0, 0, 3, 3]])
    both = joined([a, b])
    np.testing.assert_array_equal(both.scores, np.float32([0.5, 0.6, 0.7]))
    assert both.boxes[:, 2].tolist() == [1, 2, 3]
    assert both.landmarks.shape == (3, 5, 2)


def test_results_are_plain_numbers() -> None:
    (found,) = anchors([0.75], [[1, 2, 3.5, 4]], np.arange(10, dtype=np.float32).reshape(1, 5, 2)).detections()
    assert (found.box.x1, found.box.y1, found.box.x2, found.box.y2, found.score) == (1.0, 2.0, 3.5, 4.0, 0.75)
    assert type(found.box.x1) is float
    assert type(found.score) is float
    assert found.landmarks.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
