"""Similarity and decisions; expected values by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ghostface_edge.errors import ModelMismatchError, OptionError
from ghostface_edge.matching import cosine, cutoff, decide, similarity
from ghostface_edge.types import Box, Face, ModelIdentity, Template, Threshold, Verification

MODEL = ModelIdentity("net-a", "float32", "yunet")
MEASURED = Threshold(1e-3, 0.25, "yunet", 0.06, 29_600_000, 8_101, "LFW")


def template(*values: float, model: ModelIdentity = MODEL) -> Template:
    return Template(np.array(values, np.float32), model)


def face(*values: float) -> Face:
    return Face(Box(0, 0, 9, 9), 0.9, np.zeros((5, 2), np.float32), np.array(values, np.float32), MODEL)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((1, 0), (1, 0), 1.0),
        ((1, 0), (0, 1), 0.0),
        ((1, 0), (-1, 0), -1.0),
        ((0.6, 0.8), (0.8, 0.6), 0.96),
        ((3, 4), (4, 3), 0.96),  # the length does not matter
        ((1, 0), (1, 1), math.sqrt(0.5)),
    ],
)
def test_cosine_similarity(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert similarity(template(*a), template(*b)) == pytest.approx(expected, abs=1e-7)
    assert similarity(template(*b), face(*a)) == pytest.approx(expected, abs=1e-7)


def test_it_is_a_plain_float_within_one_of_zero() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        vector = rng.standard_normal(512).astype(np.float32)
        same = similarity(template(*vector), template(*vector))
        assert type(same) is float
        assert 1 - 1e-12 <= same <= 1
        assert similarity(template(*vector), template(*-vector)) >= -1


def test_it_does_not_depend_on_the_neighbours() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((37, 512)).astype(np.float32)
    query = rng.standard_normal(512).astype(np.float32)
    together = cosine(rows, query)
    assert [similarity(template(*row), template(*query)) for row in rows] == together.tolist()


def test_the_precision_may_differ() -> None:
    int8 = ModelIdentity("net-a", "int8", "scrfd")
    assert similarity(template(1, 0), template(1, 0, model=int8)) == 1.0


def test_another_model_is_refused() -> None:
    with pytest.raises(ModelMismatchError, match=r"'net-a' \(2 numbers\) and 'net-b' \(2 numbers\)"):
        similarity(template(1, 0), template(1, 0, model=ModelIdentity("net-b")))


def test_another_size_is_refused() -> None:
    with pytest.raises(ModelMismatchError, match=r"'net-a' \(2 numbers\) and 'net-a' \(3 numbers\)"):
        similarity(template(1, 0), template(1, 0, 0))


@pytest.mark.parametrize("other", [np.array([1.0, 0.0], np.float32), [1.0, 0.0], None])
def test_a_bare_vector_is_refused(other: Any) -> None:
    with pytest.raises(OptionError, match=rf"not {type(other).__name__}"):
        similarity(template(1, 0), other)
    with pytest.raises(OptionError, match=rf"not {type(other).__name__}"):
        similarity(other, template(1, 0))


@pytest.mark.parametrize("values", [(0.0, 0.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_a_senseless_embedding_is_refused(values: tuple[float, float]) -> None:
    with pytest.raises(OptionError, match="zero or not finite"):
        similarity(template(*values), template(1, 0))
    with pytest.raises(OptionError, match="zero or not finite"):
        similarity(template(1, 0), template(*values))


def test_a_decision_at_a_measured_threshold() -> None:
    assert decide(0.25, MEASURED) == Verification(0.25, 0.25, 1e-3, True)
    assert decide(0.2499, MEASURED) == Verification(0.2499, 0.25, 1e-3, False)


def test_a_decision_at_a_threshold_of_one_s_own_has_no_fmr() -> None:
    assert decide(0.5, 0.4) == Verification(0.5, 0.4, None, True)
    assert decide(-0.5, 0) == Verification(-0.5, 0.0, None, False)


@pytest.mark.parametrize("threshold", [np.float32(0.5), np.float64(0.5), np.float16(0.5)])
def test_a_threshold_may_be_a_numpy_scalar(threshold: Any) -> None:
    verification = decide(0.5, threshold)
    assert verification == Verification(0.5, 0.5, None, True)
    assert type(verification.threshold) is float
    assert cutoff(np.int64(1)) == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("threshold", [1.01, -1.01, math.nan, math.inf, True, np.True_, 10**400, 1j, "0.3", None])
def test_a_senseless_threshold(threshold: Any) -> None:
    with pytest.raises(OptionError, match="is not a similarity between -1 and 1"):
        cutoff(threshold)
    with pytest.raises(OptionError, match="is not a similarity between -1 and 1"):
        decide(0.5, threshold)
