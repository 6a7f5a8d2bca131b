from __future__ import annotations

import numpy as np
import pytest

from ghostface_edge.converters.gate import DEFAULT_GATES, Gate
from ghostface_edge.converters.parity import Parity, TensorParity, tensor_parity
from ghostface_edge.errors import ConversionError, OptionError


def parity(mean: float, least: float) -> Parity:
    return Parity(100, mean, least, least, 0.1)


def test_cosines_by_hand() -> None:
    """Angles of 0, 60 and 90 degrees: cosines 1, 1/2 and 0."""
    reference = [[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]
    candidate = [[5.0, 0.0], [1.0, np.sqrt(3)], [7.0, 0.0]]
    found = Parity.of(reference, candidate)
    assert found.faces == 3
    assert found.cosine_mean == pytest.approx(0.5)
    assert found.cosine_min == pytest.approx(0.0)
    assert found.cosine_p5 == pytest.approx(0.05)  # a tenth of the way from 0 to 0.5
    assert found.max_abs == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("a", "b"), [([[1.0, 2.0]], [[1.0, 2.0, 3.0]]), ([], []), ([[0.0, 0.0]], [[1.0, 0.0]]), ([[1.0]], [[np.nan]])]
)
def test_what_cannot_be_compared(a: list[list[float]], b: list[list[float]]) -> None:
    with pytest.raises(ConversionError):
        Parity.of(a, b)


def test_signal_to_noise_by_hand() -> None:
    """Signal 100 times stronger than the noise, in power: 20 dB."""
    reference = np.array([[10.0, 0.0], [0.0, 1.0]])
    found = TensorParity.of("x", reference, reference + np.array([[1.0, 0.0], [0.1, 0.0]]))
    assert found.sqnr == pytest.approx(10 * np.log10(101 / 1.01))
    assert (found.low, found.high) == (0.0, 10.0)
    assert found.channel_spread == pytest.approx(10 / 5.5)


def test_tensors_in_the_order_of_the_reference() -> None:
    values = np.ones((1, 2))
    found = tensor_parity({"b": values, "a": values, "only": values}, {"a": values, "b": values})
    assert [item.name for item in found] == ["b", "a"]


def test_a_gate_names_what_is_missed() -> None:
    gate = Gate(0.98, 0.95)
    assert gate.failures(parity(0.98, 0.95)) == ()
    assert gate.failures(parity(0.97, 0.96)) == ("mean cosine to float 0.970000 is below 0.98",)
    assert len(gate.failures(parity(0.1, -0.2))) == 2
    # as many digits as show the difference
    (close,) = Gate(0.999999, 0.9).failures(parity(0.99999873, 0.99))
    assert close == "mean cosine to float 0.9999987 is below 0.999999"


def test_gates_in_text() -> None:
    assert Gate.parse("cosine=0.985,cosine_min=0.9", "int8") == Gate(0.985, 0.9)
    assert Gate.parse("cosine_min=0.9", "int8") == Gate(DEFAULT_GATES["int8"].cosine, 0.9)
    assert Gate.parse("cosine=0.5", "int8") == Gate(0.5, 0.5)  # the default for the worst face would be stricter
    assert Gate.parse("off", "int8") is None


@pytest.mark.parametrize("text", ["", "cosine", "cosine=", "cosine=x", "cosine=nan", "accuracy=1", "cosine=2"])
def test_gates_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="gate"):
        Gate.parse(text, "int8")
