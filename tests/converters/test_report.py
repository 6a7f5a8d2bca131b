from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from ghostface_edge.card import ModelCard
from ghostface_edge.converters.gate import Gate
from ghostface_edge.converters.parity import Parity, TensorParity
from ghostface_edge.converters.report import (
    OperatorCount,
    RangeChart,
    Report,
    StoredLayer,
    tensor_losses,
    worst_tensors,
)

VOID = {"meta", "circle", "path", "rect"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.attributes: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [name for name, _ in attrs]
        if tag not in VOID or (tag == "circle" and self.get_starttag_text()[-2:] != "/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def tensor(name: str, sqnr: float) -> TensorParity:
    return TensorParity(name, sqnr, -1.0, 2.0, 3.0)


@pytest.fixture
def make_report(make_card: Callable[..., ModelCard]) -> Callable[..., Report]:
    def make(**changes: Any) -> Report:
        values: dict[str, Any] = {
            "file": "m.tflite",
            "size": 1234567,
            "card": make_card(name="<b>mine</b>", precision="int8"),
            "gate": Gate(0.975, 0.93),
            "failures": (),
            "parity": Parity(500, 0.98, 0.94, 0.96, 0.5),
            "faces": "500 held-out faces",
            "tensors": (tensor("a", 40.0), tensor("b", 25.0), tensor("c", 30.0), tensor("d<1>", 20.0)),
            "ranges": (RangeChart("b", (-1.0, 0.0), (1.0, 100.0)),),
            "similarities": ((0.1, 0.12), (0.7, 0.66)),
            "operators": (OperatorCount("CONV_2D", 40, 40),),
            "partitions": 1,
            "layers": (StoredLayer("b/kernel", "int8", 4096),),
            "notes": ("One operator stays in float.",),
        }
        return Report(**{**values, **changes})

    return make


def test_a_tensor_loses_against_the_worst_before_it() -> None:
    """40, 25, 30, 20 dB: b loses 15; c recovers; d loses 5 against b."""
    tensors = [tensor("a", 40.0), tensor("b", 25.0), tensor("c", 30.0), tensor("d", 20.0)]
    assert [(item.name, loss) for item, loss in tensor_losses(tensors)] == [("b", 15.0), ("d", 5.0)]
    assert worst_tensors(tensors) == ("b", "d")


def test_the_page_stands_alone_and_is_well_formed(make_report: Callable[..., Report]) -> None:
    html = make_report().to_html()
    page = Page(html)
    text = " ".join(page.text)
    assert "<b>mine</b>, int8" in text  # as text, not as a tag
    assert "d<1>" in text
    for what in ("Passed.", "0.980000", "b/kernel", "CONV_2D", "One operator stays in float.", "1,234,567 bytes"):
        assert what in text
    assert not {"src", "href", "onload"} & set(page.attributes)
    assert "script" not in html
    assert "http" not in html


def test_a_refusal_comes_first(make_report: Callable[..., Report]) -> None:
    report = make_report(failures=("mean cosine to float 0.2 is below 0.975",))
    text = [part for part in Page(report.to_html()).text if part.strip()]
    assert not report.passed
    assert any(part.startswith("Refused: mean cosine to float 0.2") for part in text[:6])


def test_without_faces_it_says_so(make_report: Callable[..., Report]) -> None:
    empty = make_report(parity=None, tensors=(), ranges=(), similarities=(), operators=(), layers=(), notes=())
    text = " ".join(Page(empty.to_html()).text)
    assert "Not measured" in text
    assert "Error through the network" not in text


def test_the_document_has_what_the_page_has(make_report: Callable[..., Report]) -> None:
    document = json.loads(make_report().to_json())
    assert document["passed"] is True
    assert document["parity"]["cosine_min"] == 0.94
    assert document["gate"] == {"cosine": 0.975, "cosine_min": 0.93}
    assert [item["sqnr"] for item in document["tensors"]] == [40.0, 25.0, 30.0, 20.0]
    assert document["similarities"] == [[0.1, 0.12], [0.7, 0.66]]
