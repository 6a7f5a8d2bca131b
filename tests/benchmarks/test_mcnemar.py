"""McNemar's test against scipy and a published case."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from ghostface_edge.benchmarks.mcnemar import McNemar
from ghostface_edge.errors import EvaluationError


@pytest.mark.parametrize(
    ("first", "second"),
    [(0, 1), (1, 1), (5, 0), (3, 9), (12, 12), (13, 12), (40, 70), (0, 2000), (1000, 1100), (49_700, 50_300), (500, 1)],
)
def test_the_p_value_is_the_binomials(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue
    assert McNemar(first, second).p_value == pytest.approx(expected, rel=1e-8, abs=1e-300)
    assert McNemar(second, first).p_value == McNemar(first, second).p_value


def test_equal_answers_prove_nothing() -> None:
    assert McNemar(0, 0).p_value == 1
    assert McNemar(7, 7).p_value == 1


def test_by_hand() -> None:
    # 1 of 6 tosses or fewer, on either side: 2 (1 + 6) / 64.
    assert McNemar(1, 5).to_dict() == {"only_first": 1, "only_second": 5, "p_value": pytest.approx(14 / 64, rel=1e-13)}


@pytest.mark.parametrize("counts", [(-1, 3), (3, -1)])
def test_no_number_is_negative(counts: tuple[int, int]) -> None:
    with pytest.raises(EvaluationError, match="no number of them is negative"):
        McNemar(*counts)
